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

for command in backup backup-list backup-show backup-delete restore wal-archive wal-restore check-wal-archive; do
	chroot --userspec=26:26 "$root" "barman-cloud-$command" --version
done
chroot --userspec=26:26 "$root" python3 -c 'import snappy, lz4.frame, zstandard, psycopg2, boto3; boto3.client("s3", "us-east-1")'
