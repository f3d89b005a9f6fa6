//! Which environments a rule or webhook reaches by itself.

use super::GuardResult;
use crate::domain::ids::{Environment, NodeName};

/// A node that would be reached, in the environment that it counts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name.
    pub node: NodeName,
    /// Its environment; the strictest for a node that names none, nothing where the project lists none at all.
    pub environment: Option<Environment>,
}

/// Whether every node lies where the source may reach: the strictest environment only if `project.yaml` names the source,
/// and only the environments that the source itself lists, where it lists any.
#[must_use]
pub fn environments(
    source: &str,
    nodes: &[Reached],
    strictest: Option<&Environment>,
    named: bool,
    own: &[Environment],
) -> GuardResult {
    for Reached { node, environment } in nodes {
        let Some(environment) = environment else {
            let detail = format!("The node {node} is in no environment that project.yaml lists.");
            return GuardResult::new("environment", false, detail);
        };
        if !own.is_empty() && !own.contains(environment) {
            let detail = format!("The node {node} is in {environment}, which the guard of `{source}` does not name.");
            return GuardResult::new("environment", false, detail);
        }
        if strictest.is_none_or(|s| s == environment) && !named {
            let detail = format!(
                "The node {node} is in {environment}, which `{source}` may not reach by itself: `production_sources` in project.yaml does not name it."
            );
            return GuardResult::new("environment", false, detail);
        }
    }
    GuardResult::new("environment", true, format!("All {} node(s) lie where it may reach.", nodes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_needs_the_projects_word_and_the_rules_own() {
        let environment = |t: &str| Environment::parse(t).unwrap();
        let (staging, production) = (environment("staging"), environment("production"));
        let node = |e: Option<&Environment>| Reached { node: NodeName::parse("n").unwrap(), environment: e.cloned() };
        let passed = |nodes: &[Reached], named, own: &[Environment]| {
            environments("rule:r", nodes, Some(&production), named, own).passed
        };
        assert!(passed(&[node(Some(&staging))], false, &[]));
        assert!(!passed(&[node(Some(&staging)), node(Some(&production))], false, &[]));
        assert!(passed(&[node(Some(&production))], true, &[]));
        assert!(!passed(&[node(Some(&production))], true, std::slice::from_ref(&staging)));
        assert!(
            !passed(&[node(Some(&production))], false, std::slice::from_ref(&production)),
            "a rule cannot name itself"
        );
        assert!(!passed(&[node(None)], true, &[]));
        assert!(!environments("rule:r", &[node(Some(&staging))], None, false, &[]).passed, "unknown is the strictest");
    }
}
