-- Asks for lists of exercises drawn at random with wrk, so that hardly any is at hand: a user out of many, a page, an
-- order, a direction, and 45 to 55 exercises. A file with one access token a line and the most pages that the list of
-- its user has, named after the script: wrk -t1 -c50 -d5s -s lists.lua URL/api/v1/exercises -- callers.txt
local heads, pages = {}, {}
local orders, directions = { "name", "createdAt" }, { "asc", "desc" }

function init(args)
  math.randomseed(os.time())
  for line in io.lines(args[1]) do
    local token, most = string.match(line, "^(%S+) (%d+)$")
    heads[#heads + 1] = { cookie = "access_token=" .. token }
    pages[#pages + 1] = tonumber(most)
  end
end

function request()
  local who = math.random(#heads)
  local path = string.format("%s?pageSize=%d&currentPage=%d&orderBy=%s&sortOrder=%s", wrk.path, math.random(45, 55),
    math.random(pages[who]), orders[math.random(2)], directions[math.random(2)])
  return wrk.format("GET", path, heads[who])
end
