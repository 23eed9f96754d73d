#!/usr/bin/lua5.4
-- closures, coroutines, patterns, files, subprocesses
local function counter(step) local n = 0; return function() n = n + step; return n end end
local a, b = counter(1), counter(10); a(); a(); b(); print(a(), b())
local gen = coroutine.wrap(function() for i = 1, 3 do for j = i, 3 do coroutine.yield(i, j) end end end)
for i, j in gen do io.write(i, ":", j, " ") end print()
local words = {}; for w in ("the quick brown the lazy the dog"):gmatch("%a+") do words[w] = (words[w] or 0) + 1 end
local keys = {}; for k in pairs(words) do keys[#keys + 1] = k end table.sort(keys); for _, k in ipairs(keys) do io.write(k, "=", words[k], " ") end print()
print(("2024-05-06"):match("(%d+)-(%d+)"), ("x"):rep(3, ","), ("%5.2f|%-5s|%q"):format(math.pi, "ab", "q\n"), #"\u{20ac}", utf8.char(8364, 66))
local V = setmetatable({}, { __call = function(c, x, y) return setmetatable({ x = x, y = y }, c) end }); V.__index = V
V.__add = function(p, q) return V(p.x + q.x, p.y + q.y) end; V.__tostring = function(p) return "(" .. p.x .. "," .. p.y .. ")" end; print(tostring(V(1, 2) + V(3, 4)))
local f <close> = assert(io.open("/tmp/lua.txt", "w+")); f:write("line 1\nline 2\n3.5 0x10"); f:seek("set"); print(f:read("l", "L", "n", "n"))
print(pcall(error, { code = 7 }), select("#", pcall(error)), pcall(function() local t = nil; return t.x end))
print(io.open("/nowhere")); local p = io.popen("echo sub; exit 3"); print(p:read("a"), p:close()); print(os.execute("kill -9 $$")); print(os.rename("/nowhere", "/x"))
print(7 // 2, -7 // 2, 7 % -3, 2 ^ 10, 1 << 62, 0x7fffffffffffffff + 1 == math.mininteger, 10 / 2, 3 | 4, "10" + 5, math.type(1), math.type(1.0))
local t = {}; for i = 1, 20000 do t[i] = (i * 7919) % 20011 end table.sort(t); local s = 0; for i = 1, #t, 1000 do s = s + t[i] * i end print(s, collectgarbage("count") > 0)
local big = {}; for i = 1, 2000 do big[i] = tostring(i) end print(#table.concat(big, ",")); print(load("return 1 +")); goto done; print("skipped") ::done:: os.exit(4, true)
