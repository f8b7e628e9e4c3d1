//! The feeds of a node's jobs, and one watcher's end of a feed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tgs_protocol::{
    desk::{News, Watching},
    id::JobId,
    job::action::Tidings,
    limits::{FEEDS_KEPT, TIDINGS_KEPT_PER_JOB},
    progress::Progress,
};
use tokio::sync::{mpsc, watch};

/// Every feed of this node; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Feeds(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    feeds: BTreeMap<JobId, Feed>,
    /// Jobs that left, oldest first: their tidings are kept for a while.
    left: VecDeque<JobId>,
}

struct Feed {
    progress: watch::Receiver<Option<Progress>>,
    told: VecDeque<Tidings>,
    /// Emptied when the job leaves, which ends every watching.
    watchers: Vec<mpsc::UnboundedSender<Tidings>>,
    is_here: bool,
}

impl Feeds {
    pub(crate) fn follow(&self, job: JobId, progress: watch::Receiver<Option<Progress>>) {
        let mut table = self.table();
        table.left.retain(|gone| *gone != job);
        let begins = Feed {
            progress: progress.clone(),
            told: VecDeque::new(),
            watchers: Vec::new(),
            is_here: true,
        };
        let feed = table.feeds.entry(job).or_insert(begins);
        feed.progress = progress;
        if !feed.is_here {
            feed.is_here = true;
            feed.told.clear();
        }
    }

    pub(crate) fn told(&self, job: &JobId, tidings: Tidings) {
        let mut table = self.table();
        let Some(feed) = table.feeds.get_mut(job) else { return };
        feed.watchers.retain(|watcher| watcher.send(tidings.clone()).is_ok());
        feed.told.push_back(tidings);
        while feed.told.len() > TIDINGS_KEPT_PER_JOB {
            feed.told.pop_front();
        }
    }

    pub(crate) fn left(&self, job: &JobId) {
        let mut table = self.table();
        let Some(feed) = table.feeds.get_mut(job) else { return };
        if std::mem::replace(&mut feed.is_here, false) {
            feed.watchers.clear();
            table.left.push_back(job.clone());
        }
        while table.left.len() > FEEDS_KEPT {
            if let Some(oldest) = table.left.pop_front() {
                table.feeds.remove(&oldest);
            }
        }
    }

    /// What was told since the job came here, then what happens from now on.
    pub(crate) fn watch(&self, job: &JobId) -> Option<Watcher> {
        let mut table = self.table();
        let feed = table.feeds.get_mut(job)?;
        let (sender, tidings) = mpsc::unbounded_channel();
        for earlier in &feed.told {
            let _ = sender.send(earlier.clone());
        }
        if feed.is_here {
            feed.watchers.push(sender);
        }
        Some(Watcher { tidings, progress: feed.progress.clone(), has_progress: true })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher's end of a feed.
pub(crate) struct Watcher {
    tidings: mpsc::UnboundedReceiver<Tidings>,
    progress: watch::Receiver<Option<Progress>>,
    /// False once the sender of progress is gone.
    has_progress: bool,
}

#[async_trait]
impl Watching for Watcher {
    async fn next(&mut self) -> Option<News> {
        loop {
            tokio::select! {
                biased;
                told = self.tidings.recv() => return told.map(News::Tidings),
                changed = self.progress.changed(), if self.has_progress => {
                    self.has_progress = changed.is_ok();
                    let newest = self.progress.borrow_and_update().clone();
                    if let (true, Some(progress)) = (self.has_progress, newest) {
                        return Some(News::Progress(progress));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(text: &str) -> Tidings {
        Tidings::Notice(text.to_owned())
    }

    #[tokio::test]
    async fn late_watchers_hear_what_was_told_and_the_end() {
        let (feeds, job) = (Feeds::default(), JobId::new("a"));
        assert!(feeds.watch(&job).is_none());
        let (_sender, progress) = watch::channel(None);
        feeds.follow(job.clone(), progress.clone());
        feeds.told(&job, notice("one"));
        let mut early = feeds.watch(&job).expect("followed");
        feeds.told(&job, notice("two"));
        feeds.left(&job);
        let mut late = feeds.watch(&job).expect("left a moment ago");
        for watcher in [&mut early, &mut late] {
            assert_eq!(watcher.next().await, Some(News::Tidings(notice("one"))));
            assert_eq!(watcher.next().await, Some(News::Tidings(notice("two"))));
            assert_eq!(watcher.next().await, None);
        }
        feeds.follow(job.clone(), progress);
        feeds.told(&job, notice("three"));
        let mut again = feeds.watch(&job).expect("followed");
        assert_eq!(again.next().await, Some(News::Tidings(notice("three"))), "a new claim");
    }

    #[test]
    fn feeds_of_jobs_that_left_are_bounded() {
        let feeds = Feeds::default();
        let (_sender, progress) = watch::channel(None);
        for no in 0..FEEDS_KEPT + 3 {
            let job = JobId::new(format!("{no}"));
            feeds.follow(job.clone(), progress.clone());
            feeds.left(&job);
            feeds.left(&job);
        }
        assert_eq!(feeds.table().feeds.len(), FEEDS_KEPT);
        assert!(feeds.watch(&JobId::new("0")).is_none());
    }
}
