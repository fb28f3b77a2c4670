-- Asks for people drawn at random with wrk: wrk -t1 -c50 -d3s -s growth.lua URL -- me FILE, where FILE has an access token
-- a line, or wrk ... -- login COUNT, where generated-1@example.org to generated-COUNT@example.org share a password.
local kind, tokens, count = "", {}, 0

function init(args)
  kind = args[1]
  math.randomseed(os.time())
  if kind == "me" then
    for line in io.lines(args[2]) do
      tokens[#tokens + 1] = line
    end
  else
    count = tonumber(args[2])
  end
end

function request()
  if kind == "me" then
    return wrk.format("GET", nil, { authorization = "Bearer " .. tokens[math.random(#tokens)] })
  end
  local body = '{"email":"generated-' .. math.random(count) .. '@example.org","password":"Correct-Horse-7"}'
  return wrk.format("POST", nil, { ["content-type"] = "application/json" }, body)
end
