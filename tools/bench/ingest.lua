-- Posts events with wrk: every request another event of some 300 bytes, the organizations in turn. The file has one API
-- key a line: wrk -t1 -c200 -d5s -s ingest.lua URL/api/events -- keys.txt [dedup]
-- With "dedup" every event has a dedup_id of its own.
local heads, count, serial, dedup = {}, 0, 0, false
local filler = string.rep("x", 200)

function init(args)
  dedup = args[2] == "dedup"
  -- Threads and runs differ in their serial numbers, which make the dedup ids.
  math.randomseed(os.time() + tonumber(string.match(tostring({}), "0x(%x+)"), 16) % 1000000)
  serial = math.random(1, 9000) * 100000000
  for line in io.lines(args[1]) do
    count = count + 1
    heads[count] = "POST /api/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-API-Key: "
      .. line .. "\r\nContent-Length: "
  end
end

function request()
  serial = serial + 1
  local id = string.format("%012d", serial)
  local body = '{"type":"order.created","payload":{"order":"' .. id .. '","items":[{"sku":"A-1","count":2}],"note":"'
    .. filler .. '"}' .. (dedup and ',"dedup_id":"' .. id .. '"}' or "}")
  return heads[serial % count + 1] .. #body .. "\r\n\r\n" .. body
end
