//! Certificates that a company signs itself.

use std::fs;
use std::path::Path;
use std::process::Command;

pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Two authorities, and a certificate for this machine by the first.
pub(crate) fn certificates(folder: &Path) {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(folder, &format!("req -x509 {KEY} -keyout {name}.key -out {name}.pem -days 3 -subj /CN={name}"));
    }
    openssl(folder, &format!("req {KEY} -keyout server.key -out server.csr -subj /CN=server"));
    fs::write(folder.join("more"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let signed = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 3";
    openssl(folder, &format!("{signed} -extfile more"));
}
