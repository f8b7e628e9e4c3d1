//! What goes wrong, where and how often; and what went on, in order.

use std::{
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use tgs_protocol::{code::Code, engine::EngineError, progress::Watch};
use tokio::sync::{Notify, watch};

/// What happens when a point is passed.
#[derive(Clone)]
pub enum Deed {
    /// Nothing: a later rule counts from here.
    Pass,
    Panic,
    Fail(Code),
    /// Waits there until released; blocks the thread, so it is for points of the engine, and for
    /// those of stores that are passed slowly.
    Pause(Arc<Pause>),
    /// Works there without end, until its watch says stop.
    AwaitStop(Arc<Pause>),
}

/// A place where the engine waits.
#[derive(Default)]
pub struct Pause {
    reached: Notify,
    released: Mutex<bool>,
    wake: Condvar,
}

impl Pause {
    pub async fn reached(&self) {
        self.reached.notified().await;
    }
    fn is_released(&self) -> bool {
        *self.released.lock().unwrap()
    }
    pub fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.wake.notify_all();
    }
    fn wait(&self) {
        if self.is_released() {
            return;
        }
        self.reached.notify_one();
        let mut released = self.released.lock().unwrap();
        while !*released {
            released = self.wake.wait(released).unwrap();
        }
    }
}

/// One test's script.
pub struct Script {
    rules: Mutex<Vec<(String, usize, Deed)>>,
    log: watch::Sender<Vec<String>>,
}

impl Default for Script {
    fn default() -> Self {
        Self { rules: Mutex::default(), log: watch::channel(Vec::new()).0 }
    }
}

impl Script {
    /// At the next `times` passes of `point`, this happens.
    pub fn at(&self, point: &str, times: usize, deed: Deed) {
        self.rules.lock().unwrap().push((point.to_owned(), times, deed));
    }
    /// At the pass of `point` after these many, this happens.
    pub fn after(&self, point: &str, passes: usize, deed: Deed) {
        self.at(point, passes, Deed::Pass);
        self.at(point, 1, deed);
    }
    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.rules.lock().unwrap().clear();
    }
    pub fn pause_at(&self, point: &str) -> Arc<Pause> {
        let pause = Arc::new(Pause::default());
        self.at(point, 1, Deed::Pause(pause.clone()));
        pause
    }
    pub fn await_stop_at(&self, point: &str) -> Arc<Pause> {
        let pause = Arc::new(Pause::default());
        self.at(point, 1, Deed::AwaitStop(pause.clone()));
        pause
    }
    /// Called by stores, and by the engine where it cannot be stopped.
    pub fn pass(&self, point: &str) -> Result<(), Code> {
        let deed = self.log_and_find(point);
        carry_out(point, deed)
    }
    /// Called by stores where they can be paused: it keeps no thread.
    pub async fn pass_slowly(&self, point: &str) -> Result<(), Code> {
        match self.log_and_find(point) {
            Some(Deed::Pause(pause)) => {
                pause.reached.notify_one();
                while !pause.is_released() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(())
            }
            deed => carry_out(point, deed),
        }
    }
    /// Called by the engine where it can be stopped.
    pub fn pass_watched(&self, point: &str, watch: &dyn Watch) -> Result<(), EngineError> {
        match self.log_and_find(point) {
            Some(Deed::AwaitStop(pause)) => {
                pause.reached.notify_one();
                while !watch.stopped() {
                    thread::yield_now();
                }
                Err(EngineError::Stopped)
            }
            deed => carry_out(point, deed)
                .map_err(|code| EngineError::new(code, format!("scripted at {point}"))),
        }
    }
    /// How often a point was passed.
    pub fn passes(&self, point: &str) -> usize {
        self.log.borrow().iter().filter(|at| *at == point).count()
    }
    /// Waits until a point was passed so often.
    pub async fn passed(&self, point: &str, times: usize) {
        let mut log = self.log.subscribe();
        let is_so = |log: &Vec<String>| log.iter().filter(|at| *at == point).count() >= times;
        log.wait_for(is_so).await.expect("the script lives");
    }

    fn log_and_find(&self, point: &str) -> Option<Deed> {
        self.log.send_modify(|log| log.push(point.to_owned()));
        let mut rules = self.rules.lock().unwrap();
        let due = rules.iter_mut().find(|(at, times, _)| at == point && *times > 0);
        due.map(|(_, times, deed)| {
            *times -= 1;
            deed.clone()
        })
    }
}

fn carry_out(point: &str, deed: Option<Deed>) -> Result<(), Code> {
    match deed {
        None | Some(Deed::Pass | Deed::AwaitStop(_)) => Ok(()),
        Some(Deed::Panic) => panic!("scripted panic at {point}"),
        Some(Deed::Fail(code)) => Err(code),
        Some(Deed::Pause(pause)) => {
            pause.wait();
            Ok(())
        }
    }
}
