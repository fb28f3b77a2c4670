-- Signs people up with wrk, every request another one: wrk -t1 -c20 -d10s -s signup.lua URL/api/v1/access/signup
local serial, prefix = 0, ""

function init()
  wrk.headers["Content-Type"] = "application/json"
  math.randomseed(os.time() + tonumber(string.match(tostring({}), "0x(%x+)"), 16) % 1000000)
  prefix = "bench-" .. math.random(1, 999999999) .. "-"
end

function request()
  serial = serial + 1
  local email = prefix .. serial .. "@example.org"
  local body = '{"email":"' .. email .. '","password":"Correct-Horse-7","confirmPassword":"Correct-Horse-7"}'
  return wrk.format("POST", nil, nil, body)
end
