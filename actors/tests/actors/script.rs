//! What goes wrong, where and how often; and what went on, in order.

use std::sync::{Arc, Condvar, Mutex};

use tgs_protocol::code::Code;
use tokio::sync::Notify;

/// What happens when a point is passed.
#[derive(Clone)]
pub enum Deed {
    Panic,
    Fail(Code),
    /// Waits there until released; blocks the thread, so it is for points of the engine only.
    Pause(Arc<Pause>),
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
    pub fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.wake.notify_all();
    }
    fn wait(&self) {
        self.reached.notify_one();
        let mut released = self.released.lock().unwrap();
        while !*released {
            released = self.wake.wait(released).unwrap();
        }
    }
}

/// One test's script.
#[derive(Default)]
pub struct Script {
    rules: Mutex<Vec<(String, usize, Deed)>>,
    log: Mutex<Vec<String>>,
}

impl Script {
    /// At the next `times` passes of `point`, this happens.
    pub fn at(&self, point: &str, times: usize, deed: Deed) {
        self.rules.lock().unwrap().push((point.to_owned(), times, deed));
    }
    pub fn pause_at(&self, point: &str) -> Arc<Pause> {
        let pause = Arc::new(Pause::default());
        self.at(point, 1, Deed::Pause(pause.clone()));
        pause
    }
    /// Called by engine and stores at each point.
    pub fn pass(&self, point: &str) -> Result<(), Code> {
        self.log.lock().unwrap().push(point.to_owned());
        let deed = {
            let mut rules = self.rules.lock().unwrap();
            let due = rules.iter_mut().find(|(at, times, _)| at == point && *times > 0);
            due.map(|(_, times, deed)| {
                *times -= 1;
                deed.clone()
            })
        };
        match deed {
            None => Ok(()),
            Some(Deed::Panic) => panic!("scripted panic at {point}"),
            Some(Deed::Fail(code)) => Err(code),
            Some(Deed::Pause(pause)) => {
                pause.wait();
                Ok(())
            }
        }
    }
    /// How often a point was passed.
    pub fn passes(&self, point: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|at| *at == point).count()
    }
}
