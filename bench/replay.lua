-- wrk sends the requests of a file in turn, and ends with one line that bench/wrk.py reads.

local entries, position = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for entry in file:read("*a"):gmatch("[^\30]+") do
    entries[#entries + 1] = entry
  end
  file:close()
end

function request()
  position = position % #entries + 1
  return entries[position]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "measured requests=%d seconds=%.6f bytes=%d p50_ms=%.4f p99_ms=%.4f max_ms=%.4f errors=%d\n",
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
