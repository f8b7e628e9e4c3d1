//! What a [`tgs_protocol::placement::board::AssignmentBoard`] owes. A store that serves one node
//! alone has none.

use tgs_protocol::{
    id::{Incarnation, JobId},
    placement::board::{Assigned, Assignments, Notice, Word},
    queue::Waiting,
    unit::Epoch,
};

use crate::{conformance::sample::job, ports::Ports};

fn word(epoch: u64, beat: u64) -> Word {
    Word { epoch: Epoch(epoch), beat }
}

fn told(word: Word, jobs: &[&str]) -> Assignments {
    let assigned = |name: &&str| Assigned { job: JobId::new(*name), seen: None };
    let left = vec![job("newer")];
    Assignments { word, jobs: jobs.iter().map(assigned).collect(), is_kept: false, left }
}

/// Each node reads what it was told, and nothing of others.
pub async fn each_node_reads_its_own(ports: &Ports) {
    let Some(board) = &ports.assignments else { return };
    let [one, other] = ["a", "b"].map(Incarnation::new);
    assert_eq!(board.assigned(&one).await.expect("a look"), None);
    let rows = [told(word(1, 1), &["x", "y"]), told(word(1, 1), &[])];
    board.assign(&one, &rows[0]).await.expect("it is told");
    board.assign(&other, &rows[1]).await.expect("it is told");
    assert_eq!(board.assigned(&one).await.expect("a look"), Some(rows[0].clone()));
    assert_eq!(board.assigned(&other).await.expect("a look"), Some(rows[1].clone()));
    assert_eq!(board.notice().await.expect("a look"), None);
}

/// Whatever arrives late: neither an earlier word of the same leader counts, nor any word of an
/// earlier one, however much it has said.
pub async fn a_late_word_changes_nothing(ports: &Ports) {
    let Some(board) = &ports.assignments else { return };
    let node = Incarnation::new("a");
    for (said, stands) in [
        (word(2, 5), word(2, 5)),
        (word(2, 4), word(2, 5)),
        (word(2, 6), word(2, 6)),
        (word(1, 1_000_000), word(2, 6)),
        (word(3, 1), word(3, 1)),
        (word(2, 7), word(3, 1)),
    ] {
        board.assign(&node, &told(said, &["x"])).await.expect("it is told");
        let found = board.assigned(&node).await.expect("a look").expect("it stands there");
        assert_eq!(found.word, stands, "after {said:?}");
    }
}

/// Why jobs wait, and who says so.
pub async fn what_all_are_told_is_read_by_all(ports: &Ports) {
    let Some(board) = &ports.assignments else { return };
    let waits =
        vec![(job("x"), Waiting::Quota), (job("y"), Waiting::Kept { node: "gpu-1".to_owned() })];
    let notice = Notice { word: word(4, 2), leader: Incarnation::new("a"), waits };
    board.post(&notice).await.expect("it is told");
    let late = Notice { word: word(4, 1), waits: Vec::new(), ..notice.clone() };
    board.post(&late).await.expect("it is told");
    assert_eq!(board.notice().await.expect("a look"), Some(notice));
}
