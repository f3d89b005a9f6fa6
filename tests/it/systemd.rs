//! Nodes that were booted by systemd: a step's processes are in a scope, which knows them whatever they do.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use interlock::exec::{CancelSignal, StepOutcome, cancel_pair};

use crate::durable::{executor, run};
use crate::nodes::request;
use crate::sshd::{CONTAINER, Launched, Sshd};

/// The account that has a manager of its own, as with `loginctl enable-linger`.
const LINGERS: &str = "ilk-dash";

/// A node in namespaces of its own, whose first process is systemd. Its sshd and the account's manager are its services.
struct Booted {
    sshd: Sshd,
    _group: Group,
}

/// The control group that all its processes are in; removed after them.
struct Group(String);

impl Drop for Group {
    fn drop(&mut self) {
        let script = "mount -t cgroup2 cgroup2 /mnt && cd /mnt && for i in $(seq 100); do \
                      find \"$1\" -depth -type d -exec rmdir {} + || sleep 0.05; [ -d \"$1\" ] || exit 0; done";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script, "sh", &self.0]).stderr(Stdio::null());
        drop(command.status());
    }
}

/// What is different on it.
#[derive(Clone, Copy, PartialEq)]
enum Bus {
    /// It has a system bus.
    There,
    /// It has none, so the account's manager cannot take a process that came over SSH.
    Missing,
}

impl Booted {
    fn new(bus: Bus) -> Self {
        let uid = fs::metadata(Path::new("/home").join(LINGERS)).map_or(0, |home| home.uid());
        let more = format!("SetEnv XDG_RUNTIME_DIR=/run/user/{uid}\n");
        let sshd = Sshd::start_by("127.0.0.1", None, &more, |folder| boot(folder, uid, bus));
        let _group = Group(name(sshd.directory()));
        Self { sshd, _group }
    }
}

/// As the folder of its files is called.
fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

fn boot(folder: &Path, uid: u32, bus: Bus) -> Launched {
    let group = name(folder);
    let units = folder.join("units");
    fs::create_dir(&units).unwrap();
    let d = folder.display();
    let unit = |name: &str, text: &str| {
        let text = text.replacen('[', "[Unit]\nDefaultDependencies=no\n[", 1);
        fs::write(units.join(name), text).unwrap();
    };
    let wanted = if bus == Bus::There { "sshd.service user.service dbus.service" } else { "sshd.service user.service" };
    fs::write(units.join("node.target"), format!("[Unit]\nDefaultDependencies=no\nWants={wanted}\n")).unwrap();
    unit("dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket\n");
    let dbus = "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation";
    unit("dbus.service", &format!("[Service]\nType=notify\nNotifyAccess=main\nSockets=dbus.socket\n{dbus}\n"));
    let manager = "ExecStart=/lib/systemd/systemd --user --unit=node.target\nDelegate=yes\nKillMode=mixed";
    unit(
        "user.service",
        &format!(
            "[Service]\nType=notify\nUser={LINGERS}\n{manager}\n\
             Environment=XDG_RUNTIME_DIR=/run/user/{uid} SYSTEMD_UNIT_PATH={d}/units\n"
        ),
    );
    let sshd = format!("ExecStart=/usr/sbin/sshd -D -e -f {d}/config\nStandardError=append:{d}/log");
    unit("sshd.service", &format!("[Service]\n{sshd}\n"));
    let enter = format!(
        "set -e; mount -t cgroup2 cgroup2 /mnt; mkdir /mnt/{group}; echo 0 > /mnt/{group}/cgroup.procs; umount /mnt\n\
         exec unshare --cgroup --mount sh -e {d}/boot\n"
    );
    let boot = format!(
        "umount -R /sys/fs/cgroup || :\nmount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
         for i in /run /root /var/lib/systemd; do mount -t tmpfs tmpfs $i; done\n\
         mkdir -p /run/sshd /run/dbus /run/user/{uid} /var/lib/systemd/linger\ntouch /var/lib/systemd/linger/{LINGERS}\n\
         chown {LINGERS} /run/user/{uid}\nchmod 700 /run/user/{uid}\n\
         exec env container=yes SYSTEMD_UNIT_PATH={d}/units /lib/systemd/systemd --system --unit=node.target\n"
    );
    fs::write(folder.join("boot"), boot).unwrap();
    let log = folder.join("log");
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let mut command = Command::new("unshare");
    command.args(CONTAINER).args(["sh", "-c", &enter]);
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Read and write, so that opening it does not wait for the other end.
    let log = fs::OpenOptions::new().read(true).write(true).open(log).unwrap();
    Launched { process, log: Box::new(log) }
}

#[tokio::test]
async fn a_step_gets_a_scope_of_its_own() {
    let node = Booted::new(Bus::There);
    let (executor, _dir) = executor(30);
    for account in ["root", LINGERS] {
        let step = request("tail -n 1 /proc/self/cgroup; echo out $#; echo err >&2; exit 6");
        let (ended, heard) = run(&executor, &node.sshd.target(account), &step, CancelSignal::never(), |_| {}).await;
        let out = String::from_utf8(heard.out).unwrap();
        assert_eq!((ended.outcome, heard.err.as_slice()), (StepOutcome::Exited(6), b"err\n".as_slice()), "{out}");
        assert!(out.ends_with(&format!("/interlock-{}.scope\nout 0\n", step.ticket)), "{account}: {out}");
        ended.receipt.give().await;
    }
    executor.close().await;
}

/// It left its session, and nothing in its environment says whose it is.
#[tokio::test]
async fn what_hides_is_stopped_in_its_scope() {
    let node = Booted::new(Bus::There);
    let (executor, _dir) = executor(30);
    for (account, mark) in [("root", 61_000_000), (LINGERS, 62_000_000)] {
        let mark = mark + std::process::id();
        let step = request(&format!("setsid env -i sleep {mark} & echo up; sleep 600"));
        let hidden =
            || Command::new("pgrep").args(["-fx", &format!("sleep {mark}")]).output().unwrap().status.success();
        let (handle, signal) = cancel_pair();
        let target = node.sshd.target(account);
        let (ended, _) = run(&executor, &target, &step, signal, |heard| {
            if heard.out == b"up\n" {
                while !hidden() {
                    std::thread::yield_now();
                }
                handle.cancel();
            }
        })
        .await;
        assert_eq!((ended.outcome, hidden()), (StepOutcome::Canceled, false), "{account}");
    }
    executor.close().await;
}

#[tokio::test]
async fn a_scope_that_cannot_be_had_is_done_without() {
    let node = Booted::new(Bus::Missing);
    let (executor, _dir) = executor(30);
    let step = request("tail -n 1 /proc/self/cgroup; exit 6");
    let (ended, heard) = run(&executor, &node.sshd.target(LINGERS), &step, CancelSignal::never(), |_| {}).await;
    let out = String::from_utf8(heard.out).unwrap();
    assert_eq!((ended.outcome, out.as_str()), (StepOutcome::Exited(6), "0::/system.slice/sshd.service\n"));
    ended.receipt.give().await;
    executor.close().await;
}
