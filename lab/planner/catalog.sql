-- What the catalog asks of PostgreSQL, for `irontrack-lab planner`. The caller is the user with the 21st most exercises
-- of the 500,000 that `irontrack seed --exercises 500000` makes.

-- name: first page by name
with page as (
  select id, place from (
    (select e.id, e.name_key as place from exercises e
     where e.owner_id is null  order by e.name_key limit 51)
    union all
    (select e.id, e.name_key as place from exercises e
     where e.owner_id = (select id from users where email = 'generated-1-21@irontrack.invalid')  order by e.name_key limit 51)
  ) half
  order by place, id limit 51
)
select e.* from page join exercises e on e.id = page.id order by page.place, page.id;

-- name: first page by time
with page as (
  select id, place from (
    (select e.id, e.created_at as place from exercises e
     where e.owner_id is null  order by e.created_at, e.id limit 51)
    union all
    (select e.id, e.created_at as place from exercises e
     where e.owner_id = (select id from users where email = 'generated-1-21@irontrack.invalid')  order by e.created_at, e.id limit 51)
  ) half
  order by place, id limit 51
)
select e.* from page join exercises e on e.id = page.id order by page.place, page.id;

-- name: search for a part of the name
with page as (
  select id, place from (
    (select e.id, e.name_key as place from exercises e
     where e.owner_id is null and e.name_key like '%press%' order by e.name_key limit 51)
    union all
    (select e.id, e.name_key as place from exercises e
     where e.owner_id = (select id from users where email = 'generated-1-21@irontrack.invalid') and e.name_key like '%press%' order by e.name_key limit 51)
  ) half
  order by place, id limit 51
)
select e.* from page join exercises e on e.id = page.id order by page.place, page.id;

-- name: filter by a muscle
with page as (
  select id, place from (
    (select e.id, e.name_key as place from exercises e
     where e.owner_id is null and exists (select from exercise_primary_muscles link where link.exercise_id = e.id and link.muscle_group_id = 3) order by e.name_key limit 51)
    union all
    (select e.id, e.name_key as place from exercises e
     where e.owner_id = (select id from users where email = 'generated-1-21@irontrack.invalid') and exists (select from exercise_primary_muscles link where link.exercise_id = e.id and link.muscle_group_id = 3) order by e.name_key limit 51)
  ) half
  order by place, id limit 51
)
select e.* from page join exercises e on e.id = page.id order by page.place, page.id;

-- name: filter by tag and category
with page as (
  select id, place from (
    (select e.id, e.name_key as place from exercises e
     where e.owner_id is null and e.category = 'strength' and exists (select from exercise_tagging link where link.exercise_id = e.id and link.tag_id = 2) order by e.name_key limit 51)
    union all
    (select e.id, e.name_key as place from exercises e
     where e.owner_id = (select id from users where email = 'generated-1-21@irontrack.invalid') and e.category = 'strength' and exists (select from exercise_tagging link where link.exercise_id = e.id and link.tag_id = 2) order by e.name_key limit 51)
  ) half
  order by place, id limit 51
)
select e.* from page join exercises e on e.id = page.id order by page.place, page.id;

-- name: count of a search
select count(*) from exercises e where e.owner_id is null and e.name_key like '%press%';

-- name: count of a muscle, system rows
select count(*) from exercises e where e.owner_id is null and exists (select from exercise_primary_muscles link where link.exercise_id = e.id and link.muscle_group_id = 3);

-- name: everything a muscle is in
select e.id, e.name_key from exercises e join exercise_primary_muscles link on link.exercise_id = e.id where link.muscle_group_id = 3 and e.difficulty_level = 'expert';
