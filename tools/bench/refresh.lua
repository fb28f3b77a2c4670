-- Rotates refresh tokens with wrk: takes a token from the pool, puts its successor back. The pool is a file with one
-- token a line, named after the script: wrk -t1 -c50 -d5s -s refresh.lua URL/api/v1/auth/refresh -- tokens.txt
local pool, first, last = {}, 1, 0

function init(args)
  for line in io.lines(args[1]) do
    last = last + 1
    pool[last] = line
  end
end

function request()
  local token = pool[first]
  pool[first] = nil
  first = first + 1
  return wrk.format("POST", nil, { ["content-type"] = "application/json" }, '{"refresh_token":"' .. token .. '"}')
end

function response(status, headers, body)
  last = last + 1
  pool[last] = string.match(body, '"refresh_token":"([^"]+)"')
end
