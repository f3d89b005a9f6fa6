//! Folding nodes whose output is the same, so that of many nodes only what differs has to be read.

use super::digest::Digest;
use super::ids::NodeName;

/// Nodes with equal output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The digest that they share.
    pub digest: Digest,
    /// The nodes, in the order in which they were given; never empty.
    pub nodes: Vec<NodeName>,
}

/// Puts nodes with equal digests together: the largest group first, and of equally large ones the one whose first node
/// was given first. What a single node wrote otherwise than all others stands at the end, where it is looked for.
#[must_use]
pub fn fold(outputs: impl IntoIterator<Item = (NodeName, Digest)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (node, digest) in outputs {
        let place = *places.entry(digest).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.nodes.push(node),
            None => groups.push(Group { digest, nodes: vec![node] }),
        }
    }
    // Stable, so the order of first nodes is kept among equals.
    groups.sort_by_key(|group| std::cmp::Reverse(group.nodes.len()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(outputs: &[(&str, &str)]) -> Vec<Vec<String>> {
        let outputs = outputs.iter().map(|(node, text)| (NodeName::parse(node).unwrap(), Digest::of(text.as_bytes())));
        fold(outputs).into_iter().map(|g| g.nodes.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn equal_output_is_one_group_and_the_largest_comes_first() {
        let given = [("a", "odd"), ("b", "same"), ("c", "same"), ("d", "pair"), ("e", "same"), ("f", "pair")];
        assert_eq!(folded(&given), [vec!["b", "c", "e"], vec!["d", "f"], vec!["a"]]);
    }

    #[test]
    fn equally_large_groups_keep_the_order_of_their_first_nodes() {
        assert_eq!(folded(&[("z", "1"), ("a", "2"), ("m", "3")]), [["z"], ["a"], ["m"]]);
        assert!(folded(&[]).is_empty());
    }

    #[test]
    fn almost_equal_is_not_equal() {
        assert_eq!(folded(&[("a", "x\n"), ("b", "x"), ("c", "x\r\n")]).len(), 3);
    }
}
