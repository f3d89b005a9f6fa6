# Runs one step on a node. Sent as one line: the lines below joined by spaces, without these comments. So each line
# ends where a shell could go on, and `;` stands wherever a command ends.
#
# Standard input: this program, a nonce, the run directory's id, the sizes "HEADER RAW"; then, once this has said
# `hello`, HEADER bytes of header lines and RAW bytes of files and script. Header: a count and the interpreter's words;
# a count and pairs of variable and value; a count and triples of variable, file name and size. Values are in printf's
# %b form. Frames go out as RS, nonce, words, newline; everything else on standard output and error is the job's.
unset IFS;
il_mask=$(umask); umask 077;
IFS= read -r il_nonce; IFS= read -r il_id;
il_say() { printf "\036%s %s\n" "$il_nonce" "$*"; };
il_dir=;
for il_base in "${TMPDIR:-/tmp}" "$HOME"; do
if [ -n "$il_base" ] && mkdir "$il_base/.interlock-$il_id" 2>/dev/null; then il_dir=$il_base/.interlock-$il_id; break; fi;
done;
if [ -z "$il_dir" ]; then il_say refused no_directory; exit 0; fi;
trap 'rm -rf "$il_dir"' EXIT; trap 'exit 1' HUP INT TERM;
il_say hello; il_say hello >&2;
if ! read -r il_header il_raw; then il_say refused incomplete; exit 0; fi;
cat > "$il_dir/in";
if [ "$(( $(wc -c < "$il_dir/in") ))" -ne "$((il_header + il_raw))" ]; then il_say refused incomplete; exit 0; fi;
exec 3< "$il_dir/in";
set --;
IFS= read -r il_n <&3;
while [ "$il_n" -gt 0 ]; do
IFS= read -r il_v <&3; il_v=$(printf "%b." "$il_v"); set -- "$@" "${il_v%.}"; il_n=$((il_n - 1));
done;
if ! command -v "$1" >/dev/null 2>&1; then il_say refused no_interpreter; exit 0; fi;
il_setsid=; if command -v setsid >/dev/null 2>&1; then il_setsid=setsid; else set -m 2>/dev/null; fi;
(
trap - EXIT HUP INT TERM;
IFS= read -r il_n <&3;
while [ "$il_n" -gt 0 ]; do
IFS= read -r il_k <&3; IFS= read -r il_v <&3;
il_v=$(printf "%b." "$il_v"); export "$il_k=${il_v%.}"; il_n=$((il_n - 1));
done;
il_at=$((il_header + 1));
IFS= read -r il_n <&3;
while [ "$il_n" -gt 0 ]; do
IFS= read -r il_k <&3; IFS= read -r il_v <&3; IFS= read -r il_size <&3;
il_v=$(printf "%b." "$il_v"); il_v=$il_dir/$il_n/${il_v%.};
if mkdir "$il_dir/$il_n" && tail -c "+$il_at" "$il_dir/in" | head -c "$il_size" > "$il_v"
&& [ "$(( $(wc -c < "$il_v") ))" -eq "$il_size" ]; then :; else : > "$il_dir/failed"; exit 1; fi;
export "$il_k=$il_v"; il_at=$((il_at + il_size)); il_n=$((il_n - 1));
done;
if tail -c "+$il_at" "$il_dir/in" > "$il_dir/script" && rm -f "$il_dir/in"; then :;
else : > "$il_dir/failed"; exit 1; fi;
exec 3<&-;
umask "$il_mask";
exec $il_setsid "$@" "$il_dir/script" </dev/null
) &
il_pid=$!;
exec 3<&-;
il_start=;
if { IFS= read -r il_l < "/proc/$il_pid/stat"; } 2>/dev/null; then set -- ${il_l##*) }; il_start=${20}; fi;
printf "%s %s\n" "$il_pid" "$il_start" > "$il_dir/pid.new" && mv "$il_dir/pid.new" "$il_dir/pid";
il_say started "$il_pid";
wait "$il_pid"; il_rc=$?;
il_failed=; if [ -e "$il_dir/failed" ]; then il_failed=1; fi;
rm -rf "$il_dir"; trap - EXIT;
il_say end >&2;
if [ -n "$il_failed" ]; then il_say refused no_space; else il_say exit "$il_rc"; fi
