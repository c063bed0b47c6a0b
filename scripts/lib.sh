# What the scripts share: steps, Debian's packages, virtual environments and cargo's tools.
# A script sources it from the top of the repository.
# shellcheck shell=bash

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Everything that is installed, other than Debian's packages, is here.
tools=$target/test-tools
# The packages that `install_packages` did not find and installed.
installed=()

# Prints a heading, with the seconds since the script began.
step() {
    printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

# Installs the named Debian packages that are missing, and what a virtual environment needs.
install_packages() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    # Debian's Python cannot make a virtual environment without this.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    [ ${#missing[@]} != 0 ] || return 0

    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        echo "Missing. To install: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        return 1
    fi
    keep_services_down
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" </dev/null
    installed=("${missing[@]}")
}

is_installed() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Keeps apt-get from starting services until this script ends: the tests start programs themselves.
keep_services_down() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    trap "as_root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

# Makes the virtual environment $1 from the requirements file $2, unless it was made from the same.
make_venv() {
    local venv=$1 requirements=$2
    # The interpreter is run too: a virtual environment breaks when Debian's Python moves on.
    if cmp -s "$requirements" "$venv/requirements.txt" && "$venv/bin/python" -c ''; then
        return
    fi
    rm -rf "$venv"
    python3 -m venv "$venv"
    pip_install "$venv" --requirement "$requirements"
    cp "$requirements" "$venv/requirements.txt"
}

# Installs into the virtual environment $1 what the other words say.
pip_install() {
    "$1/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "${@:2}"
}

# Installs the modules of node that the lock file in the folder $2 names into $1, unless they are there.
make_node_modules() {
    local folder=$1 locked=$2/package-lock.json
    if cmp -s "$locked" "$folder/installed.json"; then
        return
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$2/package.json" "$locked" "$folder/"
    # In the folder: by --prefix it refuses one that is a link.
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error)
    cp "$locked" "$folder/installed.json"
}

# Installs version $2 of the crate $1 into the folder $3, as $3/bin/$1.
install_cargo_tool() {
    local crate=$1 version=$2 folder=$3
    has_cargo_tool "$@" || cargo install --locked --version "$version" --root "$folder" "$crate"
}

# Succeeds if version $2 of the crate $1 is installed in the folder $3.
has_cargo_tool() {
    # cargo's subcommands print their own name or only the subcommand's.
    [[ "$("$3/bin/$1" "${1#cargo-}" --version 2>/dev/null || "$3/bin/$1" --version 2>/dev/null)" == *" $2"* ]]
}
