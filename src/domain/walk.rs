//! The walk over nodes and steps: what may start next, and when no more may start.
//!
//! It decides only order. Rundeck's three strategies, its keep-going switch and a failure budget on top: once more nodes
//! have failed than the budget allows, nothing new starts, and what is under way ends by itself.

use super::job::{MaxFailures, Strategy};
use super::plan::Execution;
use super::run::StepState;

/// The state of every step on every node of one attempt.
#[derive(Debug, Clone)]
pub struct Walk {
    strategy: Strategy,
    window: usize,
    budget: usize,
    steps: usize,
    cells: Vec<Vec<StepState>>,
    stopped: bool,
}

/// A step on a node, by their places in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The node's place.
    pub node: usize,
    /// The step's place.
    pub step: usize,
}

impl Walk {
    /// A walk where nothing has started.
    #[must_use]
    pub fn new(execution: &Execution, nodes: usize, steps: usize) -> Self {
        let budget = match (execution.max_failures, execution.keep_going) {
            (Some(MaxFailures::Count(count)), _) => usize::try_from(count).unwrap_or(usize::MAX),
            (Some(MaxFailures::Percent(percent)), _) => nodes * usize::from(percent) / 100,
            (None, true) => usize::MAX,
            (None, false) => 0,
        };
        Self {
            strategy: execution.strategy,
            window: usize::try_from(execution.concurrency).unwrap_or(1).max(1),
            budget,
            steps,
            cells: vec![vec![StepState::Waiting; steps]; nodes],
            stopped: false,
        }
    }

    /// What may start now, in order. Start it and report [`StepState::Running`] at once.
    #[must_use]
    pub fn startable(&self) -> Vec<Cell> {
        if self.stopped || self.failed_nodes() > self.budget {
            return self.startable_on_begun_nodes();
        }
        match self.strategy {
            Strategy::NodeFirst => self.node_first(),
            Strategy::Parallel => self.parallel(),
            Strategy::StepFirst => self.step_first(),
        }
    }

    /// Takes note of a step's state on a node. A node that failed skips its later steps.
    pub fn report(&mut self, at: Cell, state: StepState) {
        let parallel = self.strategy == Strategy::Parallel;
        let Some(row) = self.cells.get_mut(at.node) else { return };
        if let Some(cell) = row.get_mut(at.step) {
            *cell = state;
        }
        if is_bad(state) && !parallel {
            row.iter_mut()
                .skip(at.step + 1)
                .filter(|s| **s == StepState::Waiting)
                .for_each(|s| *s = StepState::Skipped);
        }
    }

    /// Nothing new starts any more: somebody canceled, or the time is up. What has not started is skipped.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.skip_waiting();
    }

    /// Whether nothing runs and nothing may start. What was never started is then marked skipped.
    pub fn settle(&mut self) -> bool {
        let running = self.cells.iter().flatten().any(|s| *s == StepState::Running);
        if running || !self.startable().is_empty() {
            return false;
        }
        self.skip_waiting();
        true
    }

    /// Every cell with its state.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, StepState)> + '_ {
        self.cells
            .iter()
            .enumerate()
            .flat_map(|(node, row)| row.iter().enumerate().map(move |(step, state)| (Cell { node, step }, *state)))
    }

    fn skip_waiting(&mut self) {
        self.cells.iter_mut().flatten().filter(|s| **s == StepState::Waiting).for_each(|s| *s = StepState::Skipped);
    }

    fn failed_nodes(&self) -> usize {
        self.cells.iter().filter(|row| row.iter().copied().any(is_bad)).count()
    }

    /// Over budget, nodes that have begun still go through their own steps where the strategy walks node by node.
    fn startable_on_begun_nodes(&self) -> Vec<Cell> {
        if self.stopped || self.strategy != Strategy::NodeFirst {
            return Vec::new();
        }
        self.indexed().filter(|(_, row)| begun(row)).filter_map(|(node, row)| next_in(node, row)).collect()
    }

    fn node_first(&self) -> Vec<Cell> {
        let active = self.cells.iter().filter(|row| begun(row) && !done(row)).count();
        let mut room = self.window.saturating_sub(active);
        let mut out = Vec::new();
        for (node, row) in self.indexed() {
            let Some(cell) = next_in(node, row) else { continue };
            if begun(row) {
                out.push(cell);
            } else if room > 0 {
                room -= 1;
                out.push(cell);
            }
        }
        out
    }

    fn parallel(&self) -> Vec<Cell> {
        let active = self.cells.iter().filter(|row| begun(row) && !done(row)).count();
        let room = self.window.saturating_sub(active);
        let fresh = self.indexed().filter(|(_, row)| !begun(row)).take(room);
        fresh.flat_map(|(node, _)| (0..self.steps).map(move |step| Cell { node, step })).collect()
    }

    fn step_first(&self) -> Vec<Cell> {
        for step in 0..self.steps {
            let column = || self.indexed().filter_map(move |(node, row)| row.get(step).map(|state| (node, *state)));
            if column().all(|(_, state)| state != StepState::Waiting && state != StepState::Running) {
                continue;
            }
            let running = column().filter(|(_, state)| *state == StepState::Running).count();
            let room = self.window.saturating_sub(running);
            let waiting = column().filter(|(_, state)| *state == StepState::Waiting);
            return waiting.take(room).map(|(node, _)| Cell { node, step }).collect();
        }
        Vec::new()
    }

    fn indexed(&self) -> impl Iterator<Item = (usize, &Vec<StepState>)> {
        self.cells.iter().enumerate()
    }
}

fn is_bad(state: StepState) -> bool {
    matches!(state, StepState::Failed | StepState::TimedOut | StepState::Canceled | StepState::Unknown)
}

fn begun(row: &[StepState]) -> bool {
    row.iter().any(|s| !matches!(s, StepState::Waiting | StepState::Skipped))
}

fn done(row: &[StepState]) -> bool {
    row.iter().all(|s| !matches!(s, StepState::Waiting | StepState::Running))
}

/// The first waiting step of a node on which nothing runs.
fn next_in(node: usize, row: &[StepState]) -> Option<Cell> {
    if row.contains(&StepState::Running) {
        return None;
    }
    row.iter().position(|s| *s == StepState::Waiting).map(|step| Cell { node, step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::Retry;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    fn execution(
        strategy: Strategy,
        concurrency: u32,
        keep_going: bool,
        max_failures: Option<MaxFailures>,
    ) -> Execution {
        Execution {
            strategy,
            concurrency,
            keep_going,
            max_failures,
            timeout: None,
            retry: Retry::default(),
            idempotent: false,
        }
    }

    /// Runs the walk one cell at a time; the order in which cells started, as `node.step`.
    fn order(mut walk: Walk, outcome: impl Fn(Cell) -> StepState) -> Vec<String> {
        let mut out = Vec::new();
        let mut running = std::collections::VecDeque::new();
        loop {
            for cell in walk.startable() {
                walk.report(cell, StepState::Running);
                out.push(format!("{}.{}", cell.node, cell.step));
                running.push_back(cell);
            }
            match running.pop_front() {
                Some(cell) => walk.report(cell, outcome(cell)),
                None => break,
            }
        }
        assert!(walk.settle());
        out
    }

    #[test]
    fn each_strategy_has_its_order() {
        let well = |_| StepState::Succeeded;
        let walk = |strategy, window| Walk::new(&execution(strategy, window, false, None), 2, 2);
        assert_eq!(order(walk(Strategy::NodeFirst, 1), well), ["0.0", "0.1", "1.0", "1.1"]);
        assert_eq!(order(walk(Strategy::NodeFirst, 2), well), ["0.0", "1.0", "0.1", "1.1"]);
        assert_eq!(order(walk(Strategy::StepFirst, 1), well), ["0.0", "1.0", "0.1", "1.1"]);
        assert_eq!(order(walk(Strategy::Parallel, 1), well), ["0.0", "0.1", "1.0", "1.1"]);
    }

    #[test]
    fn a_failure_stops_what_has_not_begun_unless_the_job_keeps_going() {
        let first_fails = |cell: Cell| if cell.node == 0 { StepState::Failed } else { StepState::Succeeded };
        let walk = |keep_going, max| Walk::new(&execution(Strategy::NodeFirst, 1, keep_going, max), 3, 2);
        assert_eq!(order(walk(false, None), first_fails), ["0.0"]);
        assert_eq!(order(walk(true, None), first_fails), ["0.0", "1.0", "1.1", "2.0", "2.1"]);
        assert_eq!(order(walk(false, Some(MaxFailures::Count(1))), first_fails), ["0.0", "1.0", "1.1", "2.0", "2.1"]);
        assert_eq!(order(walk(true, Some(MaxFailures::Percent(10))), first_fails), ["0.0"]);
    }

    #[test]
    fn stopping_starts_nothing_more() {
        let mut walk = Walk::new(&execution(Strategy::NodeFirst, 1, true, None), 2, 2);
        let first = Cell { node: 0, step: 0 };
        walk.report(first, StepState::Running);
        walk.stop();
        assert!(!walk.settle());
        walk.report(first, StepState::Canceled);
        assert!(walk.settle());
        assert_eq!(walk.cells().filter(|(_, s)| *s == StepState::Skipped).count(), 3);
    }

    proptest! {
        /// Whatever happens, the walk ends, the window holds, and nothing starts twice.
        #[test]
        fn every_walk_ends(
            nodes in 0usize..7, steps in 1usize..5, window in 1u32..5, keep in any::<bool>(),
            strategy in prop::sample::select(vec![Strategy::NodeFirst, Strategy::StepFirst, Strategy::Parallel]),
            bad in prop::collection::vec(any::<bool>(), 35), picks in prop::collection::vec(0usize..99, 60),
        ) {
            let mut walk = Walk::new(&execution(strategy, window, keep, None), nodes, steps);
            let mut running: Vec<Cell> = Vec::new();
            let mut started = std::collections::BTreeSet::new();
            for pick in picks {
                for cell in walk.startable() {
                    prop_assert!(started.insert(cell), "{cell:?} started twice");
                    walk.report(cell, StepState::Running);
                    running.push(cell);
                }
                let busy: std::collections::BTreeSet<usize> = running.iter().map(|c| c.node).collect();
                prop_assert!(busy.len() <= window as usize);
                if running.is_empty() { break; }
                let cell = running.swap_remove(pick % running.len());
                walk.report(cell, if bad[cell.node * 5 + cell.step] { StepState::Failed } else { StepState::Succeeded });
            }
            prop_assert!(running.is_empty() && walk.settle());
        }
    }
}
