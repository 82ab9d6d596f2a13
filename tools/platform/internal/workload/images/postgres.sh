set -eu
root=$1

# Instances are made by the operator, not by the package.
chroot "$root" pg_dropcluster "$MAJOR" main

# Just-in-time compilation is most of the size, and only long analytical queries gain from it.
rm -rf "$root"/usr/lib/postgresql/*/lib/bitcode "$root"/usr/lib/postgresql/*/lib/llvmjit* \
	"$root"/usr/lib/*/libLLVM* "$root"/usr/lib/llvm* "$root"/usr/lib/*/libz3.so*

chroot "$root" localedef --inputfile en_US --charmap UTF-8 en_US.UTF-8
rm -rf "$root"/usr/share/i18n

# CloudNativePG runs instances as 26:26. Debian has given the group's number away.
user=$(chroot "$root" id --user postgres)
group=$(chroot "$root" id --group postgres)
chroot "$root" usermod --uid 26 postgres
chroot "$root" groupmod --non-unique --gid 26 postgres
find "$root" -xdev -uid "$user" -exec chown --no-dereference 26 {} +
find "$root" -xdev -gid "$group" -exec chgrp --no-dereference 26 {} +

packages=$(echo "$root"/usr/local/lib/python3.*/dist-packages)
cp -R "$BARMAN"/. "$packages"
for command in "$packages"/bin/barman-cloud-*; do
	sed '1s|.*|#!/usr/bin/python3|' "$command" >"$root/usr/local/bin/${command##*/}"
	chmod 755 "$root/usr/local/bin/${command##*/}"
done
rm -rf "$packages/bin"
# Instances cannot write here, and compiling at every archived WAL file would be slow.
chroot "$root" python3 -m compileall -q --invalidation-mode unchecked-hash "${packages#"$root"}"

# What archives must be able to restore: a package that is broken shows here, not on somebody's bad day.
for command in backup backup-list backup-show backup-delete restore wal-archive wal-restore check-wal-archive; do
	chroot --userspec=26:26 "$root" "/usr/local/bin/barman-cloud-$command" --version
done
chroot --userspec=26:26 "$root" python3 - <<'PYTHON'
import io, os, boto3, psycopg2
from barman.clients import cloud_compression

boto3.client("s3", "us-east-1")
content = os.urandom(1 << 20) + bytes(1 << 20)
for compression in "gzip", "bzip2", "snappy", "lz4", "zstd", "xz":
    restored = io.BytesIO()
    packed = cloud_compression.compress(io.BytesIO(content), compression, None)
    cloud_compression.decompress_to_file(packed, restored, compression)
    assert restored.getvalue() == content, compression
for compression in "snappy", "lz4":
    compressor = cloud_compression.get_compressor(compression)
    packed = compressor.add_chunk(content) + compressor.flush()
    assert compressor.decompress(packed) == content, compression
PYTHON
