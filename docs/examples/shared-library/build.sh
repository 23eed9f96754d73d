#!/bin/sh
# build.sh OUT MUSL: four directories to build images of, in OUT. MUSL is the dynamic linker of musl, lib/ld-musl-x86_64.so.1
# (on Debian: apt-get download musl; dpkg-deb -x musl_*.deb .). $CC is a compiler for x86_64-linux-musl.
set -e
here=$(dirname "$0") out=$1 musl=$2
cc=${CC:-python3 -m ziglang cc}
compile() { $cc -target x86_64-linux-musl -O2 -s "$@"; }
mkdir -p "$out/musl/lib" "$out/one" "$out/two" "$out/both"
cp "$musl" "$out/musl/lib/ld-musl-x86_64.so.1"
compile -shared -fPIC -Wl,-soname,libgreet.so -o "$out/one/libgreet.so" "$here/greet1.c"
compile -shared -fPIC -Wl,-soname,libgreet.so -o "$out/two/libgreet.so" "$here/greet2.c"
compile -dynamic -o "$out/one/program" "$here/one.c" -L"$out/one" -lgreet
compile -dynamic -o "$out/two/program" "$here/two.c" -L"$out/two" -lgreet
cp "$out/one/program" "$out/both/one"
cp "$out/two/program" "$out/both/two"
cp "$out/two/libgreet.so" "$out/both/libgreet.so"
cat >"$out/musl/Boxfile" <<END
FROM scratch
COPY lib /lib
END
for each in one two; do
cat >"$out/$each/Boxfile" <<END
FROM musl
COPY libgreet.so /lib/
COPY program /bin/program
CMD ["/bin/program"]
END
done
cat >"$out/both/Boxfile" <<END
FROM musl
COPY libgreet.so /lib/
COPY one two /bin/
CMD ["/bin/one"]
END
