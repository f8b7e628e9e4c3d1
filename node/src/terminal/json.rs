//! One JSON object per line, for programs.

use serde_json::{Value, json};
use tgs_protocol::{
    id::JobId,
    job::{Outcome, action::Tidings},
    progress::Progress,
};

use super::Display;
use crate::voice::say;

/// Writes events to stdout; the result follows as the last line.
pub struct JsonDisplay;

impl Display for JsonDisplay {
    fn began(&mut self, job: &JobId) {
        tell(&json!({"event": "accepted", "job": job}));
    }
    fn progress(&mut self, progress: &Progress) {
        let mut event = json!(progress);
        event["event"] = "progress".into();
        tell(&event);
    }
    fn tidings(&mut self, tidings: &Tidings) {
        tell(&match tidings {
            Tidings::StageBegan { stage, again } => {
                json!({"event": "stage", "stage": stage, "again": again})
            }
            Tidings::PlanMade(plan) => json!({"event": "plan", "text": plan}),
            Tidings::Notice(text) => json!({"event": "notice", "text": text}),
            Tidings::TryingAgain { message, after } => {
                json!({"event": "retry", "text": message, "after_ms": after})
            }
            // The end is said by the command, with its result or its error.
            Tidings::Suspended(_) | Tidings::Ended(_) | Tidings::Interrupted => return,
        });
    }
    fn stopping(&mut self) {
        tell(&json!({"event": "stopping"}));
    }
    fn interrupted(&mut self) {}
    fn ended(&mut self, _outcome: &Outcome) {}
}

fn tell(event: &Value) {
    say!("{event}");
}
