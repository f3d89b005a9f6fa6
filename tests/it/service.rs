//! The server as a service of systemd, as docs/service.md has it.

use std::process::Command;

use crate::program::{Install, Server};
use crate::servers::{Installation, OVER, ask, until};
use crate::sshd::Sshd;

/// The unit of the documentation.
fn unit() -> &'static str {
    let (_, behind) = include_str!("../../docs/service.md").split_once("```ini\n").unwrap();
    behind.split_once("```").unwrap().0
}

#[test]
fn systemd_finds_no_fault_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("interlock.service");
    let text = unit().replace("/usr/local/bin/interlock", env!("CARGO_BIN_EXE_interlock"));
    std::fs::write(&path, text).unwrap();
    let said =
        Command::new("systemd-analyze").args(["verify", "--recursive-errors=no", "--man=no"]).arg(&path).output();
    let said = said.unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_server_starts_as_the_unit_has_it() {
    let line = unit().lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let install = Install::new();
    let words: Vec<&str> =
        line.split(' ').skip_while(|word| *word != "serve").chain(["--listen", "127.0.0.1:0"]).collect();
    assert!(line.starts_with("/usr/local/bin/interlock --data /var/lib/interlock serve "), "{line}");
    assert_eq!(Server::spawn(install.command(&words)).stop(), Some(0));
}

/// What `RuntimeDirectory=` makes.
#[test]
fn what_connections_need_lies_in_the_folder_that_goes_with_the_service() {
    let sshd = Sshd::start();
    let install = Install::new();
    let runtime = install.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    let job = "name: one\nnodes: {filter: 'name: n0'}\nsteps: [{name: one, run: 'exit 0'}]\n";
    let here = Installation::new(install, &sshd, &["ilk-sh"], &[("one", job)]);
    let variable = format!("{}:/elsewhere", runtime.display());
    let server = Server::start_with(&here.install, &[("RUNTIME_DIRECTORY", &variable)]);
    let client = here.oncall(&server);
    let run = ask(&client, "one");
    assert_eq!(until(&client, run, &OVER)["state"], "succeeded");
    let own = || std::fs::read_dir(runtime.join("ssh")).unwrap().flatten().collect::<Vec<_>>();
    let [of_the_server] = own().try_into().unwrap();
    assert!(
        std::fs::read_dir(of_the_server.path())
            .unwrap()
            .flatten()
            .any(|e| e.path().extension().is_some_and(|x| x == "conf"))
    );
    assert!(!here.install.data().join("ssh").exists());
    assert_eq!(server.stop(), Some(0));
    assert!(own().is_empty());
}
