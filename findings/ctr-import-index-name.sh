#!/usr/bin/env bash
# containerd 1.6.20 (Debian 12): `ctr images import --index-name NAME` of an archive that names its image NAME, too, leaves
# NAME on the manifest, and nothing holds the index that it made.
#
# What one would guess: a name that is given on the command line wins over the one in the archive, or the two are the same
# wish; after the import NAME stands for the index, as it does for an archive that has no name of its own.
# Where it matters: the index is garbage from the moment that its lease ends, while `ctr` has yet to unpack it. If
# containerd collects it first the import ends with "content digest sha256:...: not found", again at each new try: two of
# five starts of a cluster of three nodes did so. Who imports an archive that has a name leaves the flag away.
#
# An archive with one image and the annotation `org.opencontainers.image.ref.name`, and the same archive without it, are
# imported by `--index-name`, into a containerd of the script.
# Seen: with the annotation NAME is a manifest (application/vnd.oci.image.manifest.v1+json) although the index was the
# first to get it; without the annotation it is an index (application/vnd.oci.image.index.v1+json).
# Needs root and `apt-get` with the sources of Debian 12.
set -euo pipefail
version=1.6.20~ds1-1+deb12u3
name=example.test/thing:1
folder=$(mktemp -d)
daemon=
trap 'if [ -n "$daemon" ]; then kill "$daemon"; wait "$daemon" || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq "containerd=$version" >/dev/null
mkdir root && dpkg-deb -x containerd_*.deb root

# An archive of an image with one empty layer.
python3 - "$name" <<'PY'
import hashlib, io, json, sys, tarfile

def archive(path, annotations):
    out = tarfile.open(path, "w")

    def add(name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        out.addfile(info, io.BytesIO(data))

    def blob(kind, data):
        digest = hashlib.sha256(data).hexdigest()
        add(f"blobs/sha256/{digest}", data)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    layer = blob("layer.v1.tar", layer.getvalue())
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}
    config = blob("config.v1+json", json.dumps(config).encode())
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer]}
    manifest = blob("manifest.v1+json", json.dumps(manifest).encode())
    add("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest | annotations]}).encode())
    add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    out.close()

archive("named.tar", {"annotations": {"org.opencontainers.image.ref.name": sys.argv[1]}})
archive("nameless.tar", {})
PY

cat >config.toml <<TOML
version = 2
root = "$folder/data"
state = "$folder/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$folder/socket"
TOML
root/usr/bin/containerd --config config.toml --log-level error &
daemon=$!
ctr() { root/usr/bin/ctr --address "$folder/socket" --namespace "$@"; }
for _ in $(seq 100); do
    ctr default version >/dev/null 2>&1 && break
    sleep 0.1
done

kind() {
    ctr "$1" images import --no-unpack --index-name "$name" "$1.tar" >/dev/null
    ctr "$1" images ls | awk -v name="$name" '$1 == name { print $2 }'
}
named=$(kind named)
nameless=$(kind nameless)
echo "containerd $version"
echo "the archive has the name, too: $named"
echo "the archive has no name:       $nameless"
[ "$named" = application/vnd.oci.image.manifest.v1+json ]
[ "$nameless" = application/vnd.oci.image.index.v1+json ]
