//! The example project, as it is built into the program, and what the demo changes in it. Knows no server and no disk.

/// One file of the example, by its path in the project's folder.
macro_rules! example {
    ($($path:literal),+ $(,)?) => {
        const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../jobs/ops/", $path)))),+];
    };
}

example![
    "project.yaml",
    "nodes.yaml",
    "access.yaml",
    "jobs/services/restart-service.yaml",
    "jobs/services/disk-report.yaml",
    "jobs/logs/rotate.yaml",
    "webhooks/pagerduty-incident.yaml",
    "rules/disk-almost-full.yaml",
    "rules/morning-report.yaml",
    "sources/working-mornings.yaml",
    "aliases/restart.yaml",
];

/// What PagerDuty sends when an incident is triggered, shortened.
pub(super) const EVENT: &str = include_str!("pagerduty.json");
/// Where the example's nodes.yaml says that the nodes' private key is.
pub(super) const NODE_KEY: &str = "keys/ops/nodes";
/// Where the example's webhook says that its secret is.
pub(super) const HOOK_SECRET: &str = "keys/ops/pagerduty";
/// The example's nodes and their addresses.
pub(super) const NODES: [(&str, &str); 3] = [("web1", "127.0.0.2"), ("web2", "127.0.0.3"), ("staging1", "127.0.0.4")];

/// The example's files, with its nodes at these addresses, this port and this account.
pub(super) fn files(addresses: [&str; 3], port: u16, account: &str) -> Vec<(String, Vec<u8>)> {
    let nodes = |text: &str| {
        let mut text = text.replace("username: interlock", &format!("username: {account}"));
        for ((_, written), address) in NODES.iter().zip(addresses) {
            text = text.replace(&format!("{written}:2222"), &format!("{address}:{port}"));
        }
        text
    };
    let files = FILES.iter().map(|(path, text)| {
        let text = if *path == "nodes.yaml" { nodes(text) } else { (*text).to_owned() };
        ((*path).to_owned(), text.into_bytes())
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::domain::ids::ProjectName;
    use crate::spec;

    fn below(folder: &Path, base: &Path, out: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, base, out);
            } else {
                out.insert(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_example_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/ops");
        let mut there = BTreeSet::new();
        below(&folder, &folder, &mut there);
        assert_eq!(there, FILES.iter().map(|(path, _)| (*path).to_owned()).collect());
    }

    #[test]
    fn the_demos_nodes_are_its_own() {
        let addresses = ["127.0.0.1", "127.0.0.3", "127.0.0.4"];
        let (project, diagnostics) =
            spec::check_folder(&ProjectName::parse("ops").unwrap(), &files(addresses, 4022, "somebody"));
        assert_eq!(spec::render(&diagnostics), "");
        let mut seen = BTreeSet::new();
        for node in &project.nodes {
            assert_eq!(node.port, 4022);
            assert_eq!(node.user.as_ref().unwrap().as_str(), "somebody");
            assert_eq!(node.key.as_ref().unwrap().as_str(), NODE_KEY);
            seen.insert((node.name.as_str(), node.host.as_str()));
        }
        assert_eq!(seen, NODES.iter().zip(addresses).map(|((name, _), host)| (*name, host)).collect());
        let verify = project.webhooks[0].value.verify.as_ref().unwrap();
        assert_eq!(verify.secrets[0].as_str(), HOOK_SECRET);
    }
}
