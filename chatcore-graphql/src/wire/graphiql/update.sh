#!/bin/sh
# Fetches the files of the GraphiQL page from the npm registry, which checks them against their published hashes, and compresses them.
# For other versions: change the versions here, in page.html (with the hashes that this script prints), in mod.rs and in LICENSES.md.
# GraphiQL 5 has no file that runs without a build, so 4 is the last line that fits.
set -eu
target=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"
fetch() { # package, version, file in the package, name in this folder
  tarball=$(npm pack --silent "$1@$2")
  tar -xzf "$tarball" "package/$3"
  gzip -9 -n -c "package/$3" > "$target/$4.gz"
  echo "$4 sha384-$(openssl dgst -sha384 -binary "package/$3" | base64 -w 0)"
}
fetch graphiql 4.1.2 graphiql.min.js graphiql-4.1.2.min.js
fetch graphiql 4.1.2 graphiql.min.css graphiql-4.1.2.min.css
fetch react 18.3.1 umd/react.production.min.js react-18.3.1.min.js
fetch react-dom 18.3.1 umd/react-dom.production.min.js react-dom-18.3.1.min.js
