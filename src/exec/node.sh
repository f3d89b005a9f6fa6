# What runs on a node: starts a step, follows one that was started before, stops one. A start may be sent again whenever
# it is not certain that it arrived: the node starts a ticket once and never again.
#
# Sent on standard input to the `/bin/sh` that a login shell was told to become, as one line and one command: the lines below
# joined by spaces, without these comments. So each line ends where a shell could go on, and `;` stands wherever a command
# ends. What is wanted is in `il` by then: see `bootstrap.rs`. It never returns: the shell would read on.
#
# `il`: "NONCE step", or "NONCE stop TICKET FENCE GRACE", GRACE being the seconds between TERM and KILL. Frames go out
# as RS, nonce, words, newline; everything else on standard output and error is the job's.
#
# With `step`, once this has said `hello`, which may be long before there is a step to start (so what does not depend on the
# step is done before), standard input goes on with
# "TICKET FENCE GRACE OUT ERR AGE LIMIT" and the header: "WORDS FILES VARIABLES RAW", the interpreter's words, variable,
# name and size of each file, VARIABLES times `NAME=value`, the script, and the word `end`; then RAW bytes of files, and of
# the script where that line was empty.
# A field is a line: `=` and the text as it is, or `%` and the text in printf's %b form. The script is kept as it came: a
# decoded text in a variable costs a process.
# OUT and ERR say how many bytes of the step's output are known already. AGE is `-` for the first start; for another
# one the seconds since the first, so that a node which was booted in between does not start it a second time; `never`
# where it is known that the step began. (A container is as old as its first process, whatever its host's time since boot
# says. /proc counts hundredths of a second.) LIMIT is in seconds, 0 for none. After `started` a line `follow` asks for the
# output as it comes: most steps are over before anybody would want to see it, and need no process that looks for it.
# After `exit` a line `kept` says that the server has all of it: then everything goes but `rc`, the mark that the ticket was
# used, which stays for two days. One step in 256, but no more than one an hour, removes older ones, and steps that no server
# has asked about for a month; `tidied` says when.
# Standard error is greeted (`hello`) and ended (`end`) only when something comes on it; where nothing does, `exit` ends with
# the word `quiet`.
#
# `stop` says `ended` when the step was over, `gone` when it was stopped, `never` when it had not begun and now cannot
# begin any more: in these nothing of it is left. `alive` when something is; `unsure` when the step may be there but not
# its process id; `fenced` when a newer server has taken over. To a step belong its session and process group, every
# process that has its mark in the environment, and every process of its systemd scope where it has one.
#
# A signal can come before the shell that it is meant for is ready. So those that end the clock and the copying of output
# come after the exit code is written, and both look for it. Whoever waits for `follow` dies of its signal at once; once it
# copies, it ends by itself between two copies.
#
# A step's files lie in ~/.interlock, which only the account can enter, and begin with its ticket; where there can be none,
# in a directory of their own below /tmp. `script` is the lock: whoever makes it starts the step, everybody else follows.
# `begin` is made once, by whoever starts the step or makes sure that nobody does: room for the exit code, so that a full
# disk does not cost it; the supervisor, the boot and its fence; and a line for each process that was started, of which the
# last counts. `out`, `err`, `fence` (of a newer server), `stopped` (by request), and in the end `rc`: exit code, and the fence
# of the server that has it all.
#
# The exit code is written in one go and twice, and counts when both are the same: nobody takes a part of it for the whole,
# and it needs no process, as making a file by rename would. A supervisor is known by what it has open. Every process, every
# file and every byte that is read costs a node something beside a short step, so nothing is done before it is needed.
exec 7>&2 2>/dev/null; unset IFS; trap : HUP INT TERM; trap "" PIPE;
set -- $il; il=; il_nonce=$1; il_verb=$2; shift 2; il_home=${HOME:-/nonexistent}/.interlock;
il_take() { il_id=$1; il_fence=$2; il_grace=$3; il_out=${4:-}; il_err=${5:-}; il_age=${6:-}; il_limit=${7:-};
il_at=$il_home/$il_id.; il_tmp=${TMPDIR:-/tmp}/.interlock-$il_id; };
il_boot=-; IFS= read -r il_boot < /proc/sys/kernel/random/boot_id;
il_say() { printf "\036%s %s\n" "$il_nonce" "$*"; };
il_refuse() { il_say refused "$1"; exit 0; };
il_born() { il_t=-;
if IFS= read -r il_l < "/proc/$1/stat"; then set -- ${il_l##*) }; il_t=${20}; [ "$1" != Z ];
else ! [ -r "/proc/$$/stat" ] && kill -s 0 "$1"; fi; };
il_tends() { if [ -r "/proc/$$/stat" ]; then [ "/proc/$1/fd/4" -ef "${il_at}out" ]; else kill -s 0 "$1"; fi; };
il_mark() { set -C; printf "%24s\n%s end\n" "" "$*" > "${il_at}begin"; il_v=$?; set +C; return "$il_v"; };
il_who() { il_a=; il_b=; il_c=; il_d=; { read -r il_v; read -r il_a il_b il_c il_d; } < "${il_at}begin"; };
il_over() { il_d=; if [ -s "${il_at}rc" ]; then read -r il_rc il_word il_c il_d < "${il_at}rc";
else read -r il_rc il_word il_c il_d < "${il_at}begin"; fi; [ "$il_d" = end ] && [ "$il_rc" = "$il_c" ]; };
il_hold() { il_c=0; read -r il_c < "${il_at}fence" || { if [ -s "${il_at}rc" ]; then { read -r il_c; read -r il_c; } < "${il_at}rc"; else il_who; fi; };
if [ "${il_c:-0}" -gt "$il_fence" ]; then return 1; fi;
echo "$il_fence" > "${il_at}fence"; return 0; };
il_known() { [ -f "${il_at}script" ] || [ -f "${il_at}begin" ] || [ -f "${il_at}rc" ]; };
il_lock() { [ -z "$il_new" ] || { set -C; printf "" > "${il_at}script"; il_v=$?; set +C; return "$il_v"; }; };
il_close() { il_mark closed - "$il_fence"; };
il_child() { il_job=; { read -r il_v; read -r il_v; while read -r il_a il_b il_c; do if [ "$il_c" = end ]; then il_job=$il_a; il_start=$il_b; fi; done; } < "${il_at}begin";
[ -n "$il_job" ]; };
il_wink() { if sleep 0.1; then il_left=$((il_left - 1)); else sleep 1; il_left=$((il_left - 10)); fi; };
il_each() {
il_found=1; il_any=;
if [ -n "$il_job" ]; then
for il_s in /proc/[0-9]*/stat; do
if IFS= read -r il_l < "$il_s"; then
il_any=1; il_p=${il_s#/proc/}; il_p=${il_p%/stat};
set -- "${1:-}" ${il_l##*) };
if [ "$2" != Z ] && { [ "$4" = "$il_job" ] || [ "$5" = "$il_job" ]; }; then
if [ "$il_p" = "$il_job" ] && [ "$il_start" != - ] && [ "${21}" != "$il_start" ]; then continue; fi;
il_found=0; if [ -n "$1" ]; then kill -s "$1" "$il_p"; fi;
fi;
set -- "$1";
fi;
done;
if [ -z "$il_any" ]; then kill -s "${1:-0}" -- "-$il_job"; il_found=$?; fi;
fi;
for il_s in $(grep -ls "INTERLOCK_STEP=$il_id" /proc/[0-9]*/environ; grep -ls "interlock-$il_id" /proc/[0-9]*/cgroup); do
il_p=${il_s#/proc/}; il_p=${il_p%/*}; il_l=;
IFS= read -r il_l < "/proc/$il_p/stat"; set -- "${1:-}" ${il_l##*) };
if [ "${2:-Z}" != Z ]; then il_found=0; if [ -n "$1" ]; then kill -s "$1" "$il_p"; fi; fi;
set -- "$1";
done;
return "$il_found"; };
il_now() { il_c=; read -r il_c il_v < /proc/uptime; il_c=${il_c%%.*}; };
il_end_all() {
il_each TERM; il_now; il_until=$((${il_c:-0} + il_grace)); il_left=$((il_grace * 10));
while il_each && [ "$il_left" -gt 0 ]; do il_wink; il_now; if [ -n "$il_c" ] && [ "$il_c" -ge "$il_until" ]; then il_left=0; fi; done;
il_left=50; while il_each && [ "$il_left" -gt 0 ]; do il_each KILL; il_wink; done;
if il_each; then il_word=alive; else il_word=gone; fi; };
if [ "$il_verb" = stop ]; then
il_take "$@"; il_job=; il_start=-; il_a=;
if ! il_known && [ -d "$il_tmp" ] && [ -O "$il_tmp" ]; then il_at=$il_tmp/; fi;
if ! il_known; then
if il_each; then il_end_all; il_say "$il_word"; exit 0; fi;
umask 077; mkdir "$il_home";
fi;
if ! il_hold; then il_say fenced; exit 0; fi;
if ! [ -f "${il_at}rc" ]; then il_close; il_who; fi;
if [ "$il_a" = closed ] || ! il_known; then il_say never; exit 0; fi;
il_left=100;
until il_child || il_over || [ "$il_left" -le 0 ]; do il_wink; done;
if il_each; then printf "" > "${il_at}stopped"; il_end_all; il_say "$il_word";
elif [ -f "${il_at}stopped" ]; then il_say gone;
elif il_over; then il_say ended; elif [ -z "$il_job" ]; then il_say unsure; else il_say gone; fi;
exit 0;
fi;
il_line() { IFS= read -r il_v || il_refuse incomplete; case $il_v in [=%]*) ;; *) il_refuse incomplete;; esac; };
il_get() { il_line; case $il_v in =*) il_v=${il_v#?};; *) il_v=$(printf "%b." "${il_v#?}"); il_v=${il_v%.};; esac; };
il_text() { case $il_body in =*) printf "%s" "${il_body#?}";; *) printf "%b" "${il_body#?}";; esac; };
il_copy() { if [ -s "${il_at}out" ]; then cat <&4 || exit 1; fi;
if [ -s "${il_at}err" ]; then if [ -z "$il_loud" ]; then il_hail; fi; cat <&5 >&7 || exit 1; fi; };
il_loud=; il_hail() { il_loud=1; il_say hello >&7; };
il_nap=0.1; il_slow=; il_more=; il_n=0;
il_tick() {
sleep "$il_nap" </dev/null >/dev/null 3<&- 4<&- 5<&- 7>&- & if il_over; then return 0; fi;
wait $! ; if [ "$?" -eq 1 ]; then il_slow=1; fi;
il_n=$((il_n + 1));
if [ "${il_at}out" -nt "$il_seen" ] || [ "${il_at}err" -nt "$il_seen" ]; then il_nap=${il_slow:-0.1}; il_more=1;
elif [ "$((il_n % 8))" -eq 0 ]; then il_nap=${il_slow:-0.4};
elif [ -n "$il_more" ]; then il_more=;
else return 0; fi;
printf "" > "$il_seen"; il_copy; };
il_tidy() { if [ -n "$(find "$il_home/tidied" -mmin -60)" ]; then return 0; fi; printf "" > "$il_home/tidied";
find "$il_home" "${TMPDIR:-/tmp}"/.interlock-* -type f -name "*rc" -mtime +2 -print -o -type f -name "*begin" -mtime +30 -print | while IFS= read -r il_v; do (
il_at=${il_v%rc}; il_at=${il_at%begin};
case $il_at in "$il_home"/*/*) exit;; "$il_home"/????????????????????????????????.|*/.interlock-????????????????????????????????/) ;; *) exit;; esac;
il_who; if [ "$il_a" = closed ] || il_over; then rm -rf "${il_at%/}"*; fi ); done; };
il_tell() { if [ -f "${il_at}out" ]; then il_copy; fi;
if [ -n "$il_loud" ]; then il_say end >&7; il_say exit "$il_rc" "$il_word"; else il_say exit "$il_rc" "$il_word" quiet; fi;
while read -r il_v; do if [ "$il_v" = kept ]; then il_v=begin;
printf "%s %s %s end\n%s\n" "$il_rc" "$il_word" "$il_rc" "$il_fence" > "${il_at}rc" || { rm -f "${il_at}rc"; il_v=; };
case $il_id in 00*) ( il_tidy );; esac;
set --; for il_c in $il_v fence in out err script timed stopped enter scoped failed "seen.$$"; do set -- "$@" "$il_at$il_c"; done;
while [ "$il_files" -gt 0 ]; do set -- "$@" "$il_at$il_files"; il_files=$((il_files - 1)); done;
if [ -z "$il_new" ]; then set -- "$@" "${il_at}"seen.*; fi; exec rm -rf "$@"; fi; done;
rm -f "$il_seen"; exit 0; };
il_lead=; if command -v setsid >/dev/null; then il_lead=setsid; else set -m; fi;
{ read -r il_v; read -r il_v il_mask; } < "/proc/$$/status"; if [ "$il_v" != Umask: ]; then il_mask=$(umask); fi;
il_scope=; if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
if [ -w /run/systemd/system ]; then il_scope=--system;
elif [ -n "${XDG_RUNTIME_DIR:-}" ] && [ -n "${USER:-}" ] && [ -e "/var/lib/systemd/linger/$USER" ]; then il_scope=--user; fi; fi;
il_say hello;
read -r il_v || il_refuse incomplete; il_take $il_v;
read -r il_words il_files il_vars il_raw || il_refuse incomplete;
set --; il_c=$((il_words + il_files * 3 + il_vars));
while [ "$il_c" -gt 0 ]; do il_get; set -- "$@" "$il_v"; il_c=$((il_c - 1)); done;
il_line; il_body=$il_v; il_get; if [ "$il_v" != end ]; then il_refuse incomplete; fi;
umask 077; il_new=1; il_mode=home;
if [ -f "${il_at}rc" ]; then il_new=;
elif il_lock; then :;
elif il_known; then il_new=;
elif [ -d "$il_tmp" ] && [ -O "$il_tmp" ]; then il_at=$il_tmp/; il_new=;
elif { mkdir "$il_home" || [ -d "$il_home" ]; } && il_lock; then :;
elif il_known; then il_new=;
elif mkdir "$il_tmp"; then il_at=$il_tmp/; il_mode=tmp;
else il_at=; il_mode=attached; fi;
if [ -n "$il_new" ] && [ "$il_mode" = home ] && [ -f "${il_at}rc" ]; then rm -f "${il_at}script"; il_new=; fi;
il_drop() { case $il_mode in home) rm -rf "$il_at"*;; tmp) rm -rf "$il_tmp";; esac; };
if [ -n "$il_new" ] && [ "$il_age" != - ]; then
il_up=0; if [ "$il_age" != never ]; then read -r il_up il_c < /proc/uptime; il_up=${il_up%%.*}; il_born 1;
case $il_t in [0-9]*) il_t=$((il_t / 100)); if [ "$il_t" -le "$il_up" ]; then il_up=$((il_up - il_t)); fi;; esac; fi;
if [ "$il_age" = never ] || [ -z "$il_at" ] || [ "$il_up" -le "$((il_age + 5))" ]; then il_drop; il_say lost no_directory; exit 0; fi;
fi;
if [ -n "$il_new" ] && ! command -v "$1" >/dev/null; then il_drop; il_refuse no_interpreter; fi;
il_launch() {
il_c=$il_words; while [ "$il_c" -gt 0 ]; do set -- "$@" "$1"; shift; il_c=$((il_c - 1)); done;
il_c=$il_files; il_from=1;
while [ "$il_c" -gt 0 ]; do
il_v=$il_at$il_c; mkdir "$il_v" && il_v=$il_v/$2 && tail -c "+$il_from" "${il_at}in" | head -c "$3" > "$il_v"
&& [ "$(( $(wc -c < "$il_v") ))" -eq "$3" ] || return 1;
export "$1=$il_v"; il_from=$((il_from + $3)); shift 3; il_c=$((il_c - 1));
done;
if [ "$il_raw" -gt 0 ]; then if [ "$il_body" = "=" ]; then tail -c "+$il_from" "${il_at}in" > "$il_script" || return 1; fi; rm -f "${il_at}in"; fi;
il_c=$il_vars; while [ "$il_c" -gt 0 ]; do export "$1"; shift; il_c=$((il_c - 1)); done;
export "INTERLOCK_STEP=$il_id"; trap - HUP INT TERM PIPE; umask "$il_mask"; exec $il_lead "$@" "$il_script"; };
if [ -z "$il_at" ]; then
if [ "$il_raw" -gt 0 ]; then il_refuse no_directory; fi;
il_hail; il_say started attached; il_script=/dev/fd/6;
{ il_text | { exec 6<&0 </dev/null 2>&7 7>&-; il_launch "$@"; }; } & wait $! ; il_rc=$?;
il_say end >&7; il_say exit "$il_rc" exited; exit 0;
fi;
if [ -z "$il_new" ] && ! il_hold; then il_refuse fenced; fi;
il_seen=${il_at}seen.$$;
if [ -z "$il_new" ]; then
printf "" > "$il_seen";
il_say started again;
if [ -f "${il_at}out" ]; then exec 4< "${il_at}out" 5< "${il_at}err";
if [ "$il_out" -gt 0 ]; then tail -c "+$((il_out + 1))" <&4; fi; if [ "$il_err" -gt 0 ]; then il_hail; tail -c "+$((il_err + 1))" <&5 >&7; fi; il_copy; fi;
until il_over; do il_who;
if [ "$il_a" = closed ]; then il_refuse never_started; fi;
if [ "$il_d" != end ]; then if [ "$il_n" -gt 60 ]; then il_close; fi;
elif [ "$il_b" != "$il_boot" ]; then if ! il_over; then il_say lost rebooted; exit 0; fi;
elif ! il_tends "$il_a"; then
if il_child && il_born "$il_job" && [ "$il_t" = "$il_start" ]; then :;
elif ! il_over; then if [ -f "${il_at}out" ]; then il_copy; fi; il_say lost supervisor; exit 0; fi;
fi;
if ! [ -f "${il_at}out" ]; then il_n=$((il_n + 1)); sleep 1; else il_tick; fi;
done;
il_tell;
fi;
il_script=${il_at}script; il_full() { il_drop; il_refuse "$1"; };
{ il_text > "$il_script" && printf "" > "${il_at}out" && printf "" > "${il_at}err"; } || il_full no_space;
exec 4< "${il_at}out" 5< "${il_at}err";
if [ "$il_raw" -gt 0 ]; then head -c "$il_raw" > "${il_at}in" || il_full no_space;
if [ "$(( $(wc -c < "${il_at}in") ))" -ne "$il_raw" ]; then il_full incomplete; fi; fi;
if ! il_mark "$$" "$il_boot" "$il_fence"; then il_who; if [ "$il_a" = closed ]; then il_refuse never_started; else il_full no_space; fi; fi;
il_plain=$il_lead;
if [ -n "$il_scope" ]; then
case $il_at in *" "*|*[*?]*) il_scope=;; esac;
if [ -n "$il_scope" ]; then echo "set -f; printf x > ${il_at}scoped; exec $il_lead $""*" > "${il_at}enter";
il_lead="systemd-run $il_scope --scope --quiet --collect --unit=interlock-$il_id -- /bin/sh ${il_at}enter"; fi; fi;
il_go() { ( il_launch "$@" || printf "" > "${il_at}failed" ) </dev/null >> "${il_at}out" 2>> "${il_at}err" 3<&- 4<&- 5<&- 7>&- & il_job=$! ;
il_born "$il_job"; il_start=$il_t; echo "$il_job $il_start end" >> "${il_at}begin"; };
il_await() { while :; do wait "$il_job"; il_rc=$?; if [ "$il_rc" -gt 128 ] && il_born "$il_job" && [ "$il_t" = "$il_start" ]; then continue; fi; return 0; done; };
il_go "$@";
il_say started "$il_mode";
exec 3<&0; il_timer=;
if [ "$il_limit" -gt 0 ]; then
il_quit() { kill "$!"; exit 0; };
( exec </dev/null >/dev/null 3<&- 4<&- 5<&- 7>&-; trap il_quit TERM; sleep "$il_limit" & if il_over; then il_quit; fi; wait "$!"; trap "" TERM;
printf "" > "${il_at}timed"; if il_each; then il_end_all; else il_word=exited; fi; echo "$il_word" > "${il_at}timed" ) & il_timer=$! ; fi;
( if il_over; then exit 0; fi; read -r il_v <&3; trap : TERM; exec 3<&-;
printf "" > "$il_seen"; il_copy; until il_over; do il_tick;
if il_tends "$$"; then :; elif il_born "$il_job" && [ "$il_t" = "$il_start" ]; then :;
elif ! il_over; then il_copy; il_say lost supervisor; exit 0; fi; done ) & il_ticker=$! ;
il_await;
if [ -n "$il_scope" ] && ! [ -e "${il_at}scoped" ] && ! [ -e "${il_at}failed" ]; then il_lead=$il_plain; il_go "$@"; il_await; fi;
il_word=exited;
if [ -n "$il_timer" ]; then if [ -e "${il_at}timed" ]; then wait "$il_timer"; il_word=alive; read -r il_word < "${il_at}timed"; il_timer=; fi; fi;
if [ -e "${il_at}failed" ]; then il_word=no_space; fi;
printf "%s %s %s end" "$il_rc" "$il_word" "$il_rc" 1<> "${il_at}begin";
if [ -n "$il_timer" ]; then kill "$il_timer"; fi;
kill -s TERM "$il_ticker"; wait "$il_ticker";
il_tell;
