# Stops a step on a node and says whether it is gone. Sent as bootstrap.sh is.
#
# Standard input: this program, a nonce, the run directory's id, the seconds between TERM and KILL.
# Says `ended` when there was nothing left to stop, `gone` when it was stopped and nothing of its process group and
# session is left, `alive` when something is, `unsure` when the step is there but not its process id.
unset IFS;
IFS= read -r il_nonce; IFS= read -r il_id; IFS= read -r il_grace;
il_say() { printf "\036%s %s\n" "$il_nonce" "$*"; };
il_nap() { if sleep 0.1 2>/dev/null; then il_left=$((il_left - 1)); else sleep 1; il_left=$((il_left - 10)); fi; };
il_dir=;
for il_base in "${TMPDIR:-/tmp}" "$HOME"; do
if [ -d "$il_base/.interlock-$il_id" ]; then il_dir=$il_base/.interlock-$il_id; break; fi;
done;
if [ -z "$il_dir" ]; then il_say ended; exit 0; fi;
il_left=100;
while [ -d "$il_dir" ] && ! [ -f "$il_dir/pid" ] && [ "$il_left" -gt 0 ]; do il_nap; done;
il_pid=; il_start=;
{ read -r il_pid il_start < "$il_dir/pid"; } 2>/dev/null;
if [ -z "$il_pid" ]; then if [ -d "$il_dir" ]; then il_say unsure; else il_say ended; fi; exit 0; fi;
il_each() {
il_seen=; il_found=1;
for il_s in /proc/[0-9]*/stat; do
if { IFS= read -r il_l < "$il_s"; } 2>/dev/null; then
il_seen=1; il_p=${il_s#/proc/}; il_p=${il_p%/stat};
set -- "${1:-}" ${il_l##*) };
if [ "$2" != Z ] && { [ "$4" = "$il_pid" ] || [ "$5" = "$il_pid" ]; }; then
if [ "$il_p" = "$il_pid" ] && [ -n "$il_start" ] && [ "${21}" != "$il_start" ]; then continue; fi;
il_found=0;
if [ -n "$1" ]; then kill -s "$1" "$il_p" 2>/dev/null; fi;
fi;
set -- "$1";
fi;
done;
if [ -z "$il_seen" ]; then kill -s "${1:-0}" -- "-$il_pid" 2>/dev/null; il_found=$?; fi;
return "$il_found";
};
if ! il_each; then il_say ended; exit 0; fi;
il_each TERM;
il_left=$((il_grace * 10));
while il_each && [ "$il_left" -gt 0 ]; do il_nap; done;
il_left=50;
while il_each && [ "$il_left" -gt 0 ]; do il_each KILL; il_nap; done;
if il_each; then il_say alive; else il_say gone; fi
