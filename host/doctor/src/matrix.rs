//! The matrix: each wall's trial without any wall, behind that wall alone, and behind all of them.

use super::attempt::{Error, Tried, attempt};
use super::stage::Stage;
use super::{TRIALS, Trial};
use sandhog_protocol::plan::{Wall, Walls};
use sandhog_protocol::spawn::WeakWall;
use sandhog_runtime::coordinator::Coordinator;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Attempts at once: more would only wait for the one spawner.
const AT_ONCE: usize = 4;

/// Whether a wall stands on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Here {
    Yes,
    /// It stands lower than designed, or something else stands in for it.
    Weak(String),
    /// It can't be built.
    Missing(String),
}

/// One trial under one set of walls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// As it must be.
    pub ok: bool,
    /// `None`: not tried, or no answer.
    pub stopped: Option<bool>,
    pub detail: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub wall: Wall,
    pub here: Here,
    pub tries: &'static str,
    /// Without any wall it must come through, or it proves nothing.
    pub control: Cell,
    pub alone: Cell,
    pub all: Cell,
}

impl Row {
    /// A weak wall is no fault; a missing one is, and so is a cell that is not as it must be.
    pub fn is_ok(&self) -> bool {
        let cells = [&self.control, &self.alone, &self.all];
        !matches!(self.here, Here::Missing(_)) && cells.into_iter().all(|cell| cell.ok)
    }
}

/// Tries everything. `without`: walls that are left out of every plan, to see that it shows.
pub async fn examine(coordinator: &Arc<Coordinator>, without: &Walls) -> Result<Vec<Row>, Error> {
    let stage = Arc::new(Stage::new()?);
    let standing = coordinator.walls();
    let trials = || TRIALS.iter().filter(|trial| standing.contains(&trial.wall));
    let none = trials().map(|trial| (trial, Walls::new()));
    let alone = trials().map(|trial| (trial, Walls::from([trial.wall]).difference(without).copied().collect()));
    let first = try_all(coordinator, &stage, none.chain(alone).collect()).await?;
    let (control, alone) = first.split_at(first.len() / 2);
    let missing: Vec<Wall> = alone.iter().filter_map(|tried| tried.unbuilt).collect();
    // What can't be built would keep every other trial from being made.
    let left = |wall: &&Wall| !missing.contains(wall) && !without.contains(wall);
    let walls: Walls = standing.iter().filter(left).copied().collect();
    let all = try_all(coordinator, &stage, trials().map(|trial| (trial, walls.clone())).collect()).await?;
    let weak = coordinator.weak_walls().await;
    let mut tried = control.iter().zip(alone).zip(&all).map(|((control, alone), all)| [control, alone, all]);
    Ok(TRIALS
        .iter()
        .map(|trial| {
            let cells = standing.contains(&trial.wall).then(|| tried.next()).flatten();
            row(trial, cells, &weak)
        })
        .collect())
}

/// Makes these attempts, a few at a time; the answers in the order of the questions.
async fn try_all(
    coordinator: &Arc<Coordinator>,
    stage: &Arc<Stage>,
    questions: Vec<(&'static Trial, Walls)>,
) -> Result<Vec<Tried>, Error> {
    let capacity = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (index, (trial, walls)) in questions.into_iter().enumerate() {
        let (coordinator, stage, capacity) = (Arc::clone(coordinator), Arc::clone(stage), Arc::clone(&capacity));
        tasks.spawn(async move {
            let _turn = capacity.acquire().await;
            let probe = (trial.probe)(&stage);
            attempt(&coordinator, &stage, &probe, &walls).await.map(|tried| (index, tried))
        });
    }
    let mut answers = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    answers.sort_unstable_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, tried)| tried).collect())
}

/// `cells`: none where the wall is not one of those that stand here.
fn row(trial: &Trial, cells: Option<[&Tried; 3]>, weak: &[WeakWall]) -> Row {
    let not_here = || Cell { ok: true, stopped: None, detail: "not here".into() };
    let [control, alone, all] = match cells {
        Some([control, alone, all]) => [cell(control, false), cell(alone, true), cell(all, true)],
        None => [not_here(), not_here(), not_here()],
    };
    let missing = cells.filter(|[_, alone, _]| alone.unbuilt == Some(trial.wall)).map(|[_, alone, _]| &alone.detail);
    let weak = weak.iter().find(|weak| weak.wall == trial.wall).map(|weak| &weak.reason);
    let here = match (missing, weak) {
        (Some(reason), _) => Here::Missing(reason.clone()),
        (None, Some(reason)) => Here::Weak(reason.clone()),
        (None, None) => Here::Yes,
    };
    Row { wall: trial.wall, here, tries: trial.tries, control, alone, all }
}

fn cell(tried: &Tried, must_stop: bool) -> Cell {
    Cell { ok: tried.stopped == Some(must_stop), stopped: tried.stopped, detail: tried.detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandhog_protocol::verdict::Verdict;

    fn tried(stopped: Option<bool>, unbuilt: Option<Wall>) -> Tried {
        Tried { stopped, detail: "reason".into(), verdict: Verdict::Completed { code: 0 }, unbuilt }
    }

    #[test]
    fn a_probe_that_is_stopped_by_nothing_is_no_probe() {
        let (stopped, through) = (tried(Some(true), None), tried(Some(false), None));
        assert!(row(&TRIALS[0], Some([&through, &stopped, &stopped]), &[]).is_ok());
        assert!(!row(&TRIALS[0], Some([&stopped, &stopped, &stopped]), &[]).is_ok());
        assert!(!row(&TRIALS[0], Some([&through, &through, &stopped]), &[]).is_ok());
        assert!(!row(&TRIALS[0], Some([&through, &stopped, &tried(None, None)]), &[]).is_ok());
    }

    #[test]
    fn a_weak_wall_is_no_fault_and_a_missing_one_is() {
        let weak = [WeakWall { wall: Wall::Cgroup, reason: "reason".into() }];
        let row_of = |wall: Wall| TRIALS.iter().find(|trial| trial.wall == wall).unwrap();
        let weak = row(row_of(Wall::Cgroup), None, &weak);
        assert!(weak.is_ok() && weak.here == Here::Weak("reason".into()));
        let (through, unbuilt) = (tried(Some(false), None), tried(None, Some(Wall::Landlock)));
        let missing = row(row_of(Wall::Landlock), Some([&through, &unbuilt, &through]), &[]);
        assert!(!missing.is_ok() && missing.here == Here::Missing("reason".into()));
    }
}
