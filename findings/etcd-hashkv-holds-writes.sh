#!/usr/bin/env bash
# etcd 3.7.3: while a member hashes its data (HashKV, `etcdctl endpoint hashkv`), it applies no write.
#
# What one would guess: a hash is a read, beside which others read and write, as they do beside a range over all keys. But
# the longest write that meets it takes about as long as the hash does, some hundred times as long as any before it: on
# the leader this is every write of the cluster.
# Where it matters: whoever compares the data of members from time to time by their hashes should ask one after the
# other, the leader last, and seldom where there is much data.
#
# Needs go, python3 and 1 GB in TMPDIR. Seen, of 600 MB: see the last lines.
set -euo pipefail
folder=$(mktemp -d)
trap '{ jobs -p | xargs -r kill -9; wait; } 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
go mod init seen >go.log 2>&1
go get go.etcd.io/etcd/server/v3@v3.7.3 >>go.log 2>&1 || { cat go.log; exit 2; }
go build -o etcd go.etcd.io/etcd/server/v3 >>go.log 2>&1 || { cat go.log; exit 2; }
here=http://127.20.7.1
./etcd --data-dir data --listen-client-urls $here:2379 --advertise-client-urls $here:2379 --listen-peer-urls $here:2380 \
    --initial-advertise-peer-urls $here:2380 --initial-cluster default=$here:2380 >etcd.log 2>&1 &
cat >measure.py <<'PYTHON'
import base64, http.client, json, os, statistics, threading, time

def call(path, **fields):
    connection = http.client.HTTPConnection("127.20.7.1", 2379, timeout=60)
    connection.request("POST", "/v3/" + path, json.dumps(fields))
    answer = json.loads(connection.getresponse().read())
    assert "error" not in answer, answer
    return answer

def text(it):
    return base64.b64encode(it).decode()

end = time.time() + 60
while True:
    try:
        call("kv/put", key=text(b"ready"), value=text(b"1"))
        break
    except (OSError, AssertionError):
        assert time.time() < end, "etcd does not serve"
        time.sleep(0.1)
for number in range(600):
    call("kv/put", key=text(b"%d" % number), value=text(os.urandom(1000) * 1000))
writes, over = [], threading.Event()

def write():
    while not over.is_set():
        begin = time.time()
        call("kv/put", key=text(b"small"), value=text(b"1"))
        writes.append((begin, time.time()))

writer = threading.Thread(target=write)
writer.start()
while len(writes) < 1000:
    time.sleep(0.01)
usual = statistics.median(end - begin for begin, end in writes)
ratios, held = [], []
for _ in range(9):
    begin = time.time()
    call("maintenance/hashkv", revision=0)
    end = time.time()
    time.sleep(0.3)
    longest = max(b - a for a, b in writes if a < end and b > begin)
    ratios.append(longest / (end - begin))
    held.append(longest / usual)
over.set()
writer.join()
print(f"usual write {usual * 1000:.1f} ms; beside a hash {statistics.median(held):.0f} times as long", flush=True)
print("the longest write beside a hash takes at least half as long as it:", statistics.median(ratios) > 0.5)
print("and at least ten times as long as usual:", statistics.median(held) > 10)
PYTHON
python3 measure.py | tee seen
expected='the longest write beside a hash takes at least half as long as it: True
and at least ten times as long as usual: True'
[ "$(tail -2 seen)" = "$expected" ] || { echo "this has changed; expected:"; echo "$expected"; exit 1; }
