//! What the nodes of a run wrote, folded: nodes whose output of a step is byte for byte the same stand together.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::App;
use super::error::AppResult;
use super::log::{Entry, Stream, Wanted};
use super::stored_log::Log;
use crate::domain::access::Actor;
use crate::domain::digest::Digest;
use crate::domain::folding::{Group, fold};
use crate::domain::ids::{NodeName, RunNumber, StepName};
use crate::domain::plan::Plan;
use crate::store::output::Reader;

/// The longest log that is folded, in bytes.
pub const LONGEST: u64 = 64 * 1024 * 1024;

/// Lines of a group that are shown.
pub const SHOWN: usize = 200;

/// Groups whose lines are shown; of the others only the nodes are.
pub const GROUPS: usize = 50;

/// A run's output, folded.
#[derive(Debug, Clone)]
pub enum Folded {
    /// The log is longer than [`LONGEST`].
    TooLong,
    /// Every step of the plan.
    Steps(Vec<FoldedStep>),
}

/// A step with its groups.
#[derive(Debug, Clone)]
pub struct FoldedStep {
    /// The step.
    pub step: StepName,
    /// Nodes that wrote the same.
    pub groups: Vec<FoldedGroup>,
}

/// Nodes that wrote the same in a step.
#[derive(Debug, Clone)]
pub struct FoldedGroup {
    /// The nodes.
    pub nodes: Vec<NodeName>,
    /// How many lines each of them wrote.
    pub lines: usize,
    /// The first [`SHOWN`] of them, from the first node; none for groups beyond [`GROUPS`].
    pub shown: Vec<Entry>,
}

/// What is kept of a step on a node while the log is read: never its lines.
struct Tally {
    attempt: u32,
    out: Sha256,
    err: Sha256,
    lines: usize,
}

impl Tally {
    fn new(attempt: u32) -> Self {
        Self { attempt, out: Sha256::new(), err: Sha256::new(), lines: 0 }
    }

    fn take(&mut self, entry: &Entry) {
        let hash = if entry.line.stream == Stream::Stdout { &mut self.out } else { &mut self.err };
        hash.update(&entry.line.bytes);
        if entry.line.ended {
            hash.update(b"\n");
        }
        self.lines += 1;
    }

    /// Both streams, each by itself: how they interleave is chance.
    fn digest(&self) -> Digest {
        let (out, err) = (self.out.clone().finalize(), self.err.clone().finalize());
        Digest::of(&[out.as_slice(), err.as_slice()].concat())
    }
}

type Tallies = BTreeMap<(StepName, NodeName), Tally>;

impl App {
    /// The output of a run, folded. Of a step that was tried again the last try counts.
    ///
    /// # Errors
    /// Not found, also when the run may not be seen; `log_unreachable` when it is in a bucket that cannot be read.
    pub async fn folded_log(&self, actor: &Actor, number: RunNumber) -> AppResult<Folded> {
        let detail = self.run(actor, number).await?;
        let log = Log::of_view(&detail.run);
        self.read_log(log, move |reader| folded(reader, &detail.plan)).await
    }
}

fn folded(reader: &Reader, plan: &Plan) -> std::io::Result<Folded> {
    let mut tallies = Tallies::new();
    let whole = walk(reader, |entry| {
        let (key, attempt) = ((entry.line.step.clone(), entry.line.node.clone()), entry.line.attempt);
        let tally = tallies.entry(key).or_insert_with(|| Tally::new(attempt));
        if attempt > tally.attempt {
            *tally = Tally::new(attempt);
        }
        if attempt == tally.attempt {
            tally.take(entry);
        }
    })?;
    if !whole {
        return Ok(Folded::TooLong);
    }
    let nothing = Tally::new(0);
    let tally = |step: &StepName, node: &NodeName| tallies.get(&(step.clone(), node.clone())).unwrap_or(&nothing);
    let mut steps: Vec<FoldedStep> = Vec::new();
    for step in &plan.steps {
        let outputs = plan.nodes.iter().map(|n| (n.name.clone(), tally(&step.name, &n.name).digest()));
        let groups = fold(outputs).into_iter().map(|Group { nodes, .. }| {
            let lines = nodes.first().map_or(0, |n| tally(&step.name, n).lines);
            FoldedGroup { nodes, lines, shown: Vec::new() }
        });
        steps.push(FoldedStep { step: step.name.clone(), groups: groups.collect() });
    }
    show(reader, &tallies, &mut steps)?;
    Ok(Folded::Steps(steps))
}

/// Reads the log once more for the lines of each group's first node.
fn show(reader: &Reader, tallies: &Tallies, steps: &mut [FoldedStep]) -> std::io::Result<()> {
    let mut shown: BTreeMap<(StepName, NodeName), &mut FoldedGroup> = BTreeMap::new();
    for step in steps {
        for group in step.groups.iter_mut().filter(|g| g.lines > 0) {
            if let Some(node) = group.nodes.first().cloned()
                && shown.len() < GROUPS
            {
                shown.insert((step.step.clone(), node), group);
            }
        }
    }
    let names: BTreeSet<NodeName> = shown.keys().map(|(_, node)| node.clone()).collect();
    walk(reader, |entry| {
        if !names.contains(&entry.line.node) {
            return;
        }
        let key = (entry.line.step.clone(), entry.line.node.clone());
        let newest = tallies.get(&key).is_some_and(|t| t.attempt == entry.line.attempt);
        if let Some(group) = shown.get_mut(&key)
            && newest
            && group.shown.len() < SHOWN
        {
            group.shown.push(entry.clone());
        }
    })?;
    Ok(())
}

/// Gives every line that a node wrote; `false` when the log is longer than what is read.
fn walk(reader: &Reader, mut each: impl FnMut(&Entry)) -> std::io::Result<bool> {
    let mut offset = 0;
    loop {
        let page = reader.read(offset, 4_096, &Wanted::default())?;
        if page.next == offset {
            return Ok(true);
        }
        if page.next > LONGEST {
            return Ok(false);
        }
        page.entries.iter().filter(|e| e.line.stream != Stream::System).for_each(&mut each);
        offset = page.next;
    }
}
