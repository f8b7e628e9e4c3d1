//! One JSON object per line, for programs. Each has an `event` that names it; what is said in words
//! stands under `text`.

use serde::Serialize;
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

/// An object of this name with the fields of what is told.
pub fn event(name: &str, told: &impl Serialize) -> Value {
    let mut event = json!({ "event": name });
    if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), json!(told)) {
        event.extend(fields);
    }
    event
}

impl Display for JsonDisplay {
    fn began(&mut self, job: &JobId) {
        tell(&json!({"event": "accepted", "job": job}));
    }
    fn progress(&mut self, progress: &Progress) {
        tell(&event("progress", progress));
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
