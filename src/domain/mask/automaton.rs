//! Finds the forms of secrets in a stream of bytes.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Aho and Corasick's automaton, written here because the stream needs each state's depth: that is how many bytes may
/// still become a secret.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    next: HashMap<(u32, u8), u32>,
    nodes: Vec<NodeFacts>,
    /// The bytes that a form can begin with.
    beginnings: Vec<bool>,
}

#[derive(Debug, Clone, Copy, Default)]
struct NodeFacts {
    depth: usize,
    /// Length of the longest form that ends here.
    matched: usize,
    fail: u32,
}

impl Automaton {
    /// Of all forms.
    pub(super) fn new(forms: &BTreeSet<Vec<u8>>) -> Self {
        let beginnings = (0..=u8::MAX).map(|byte| forms.iter().any(|form| form.first() == Some(&byte))).collect();
        let mut this = Self { next: HashMap::new(), nodes: vec![NodeFacts::default()], beginnings };
        let mut children: Vec<Vec<(u8, u32)>> = vec![Vec::new()];
        for form in forms {
            let mut at = 0;
            for (i, &byte) in form.iter().enumerate() {
                at = if let Some(&to) = this.next.get(&(at, byte)) {
                    to
                } else {
                    let to = u32::try_from(this.nodes.len()).unwrap_or(u32::MAX);
                    this.nodes.push(NodeFacts { depth: i + 1, matched: 0, fail: 0 });
                    children.push(Vec::new());
                    if let Some(list) = children.get_mut(at as usize) {
                        list.push((byte, to));
                    }
                    this.next.insert((at, byte), to);
                    to
                };
            }
            if let Some(node) = this.nodes.get_mut(at as usize) {
                node.matched = node.depth;
            }
        }
        // Breadth first, so that the state a node falls back to is complete before the node is.
        let mut queue: VecDeque<u32> = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let fail = this.node(at).fail;
            for &(byte, to) in children.get(at as usize).map(Vec::as_slice).unwrap_or_default() {
                let back = if at == 0 { 0 } else { this.step(fail, byte) };
                let longest = this.node(back).matched;
                if let Some(node) = this.nodes.get_mut(to as usize) {
                    node.fail = back;
                    node.matched = node.matched.max(longest);
                }
                queue.push_back(to);
            }
        }
        this
    }

    fn node(&self, state: u32) -> NodeFacts {
        self.nodes.get(state as usize).copied().unwrap_or_default()
    }

    /// The state behind one, after a byte.
    pub(super) fn step(&self, mut state: u32, byte: u8) -> u32 {
        loop {
            if let Some(&to) = self.next.get(&(state, byte)) {
                return to;
            }
            if state == 0 {
                return 0;
            }
            state = self.node(state).fail;
        }
    }

    /// How many bytes at the front no form can begin with.
    pub(super) fn plain(&self, bytes: &[u8]) -> usize {
        if self.nodes.len() <= 1 {
            return bytes.len();
        }
        bytes.iter().position(|byte| self.beginnings.get(usize::from(*byte)) == Some(&true)).unwrap_or(bytes.len())
    }

    /// How many bytes may still become a secret, and how many are known to be one.
    pub(super) fn facts(&self, state: u32) -> (usize, usize) {
        let node = self.node(state);
        (node.depth, node.matched)
    }
}
