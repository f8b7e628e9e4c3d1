//! Sees that the certificate of a node's links was renewed, and has new handshakes made with it;
//! links that stand stay. Shell of `protocol/src/peer/keys.rs`.

use std::{sync::Arc, time::Duration};

use tgs_protocol::{
    clock::Clock,
    limits::KEYS_LOOK_MS,
    metric_definitions::CERTIFICATE_EXPIRATION,
    peer::keys::{Found, KeyAction, KeyFolder, Mark, Renewal, Standing},
    unit::Timestamp,
};

use crate::{
    looker::Looks,
    mesh::{Judged, LinkKeys},
};

/// One node's watch.
pub(crate) struct KeyWatch {
    keys: LinkKeys,
    folder: Arc<dyn KeyFolder>,
    clock: Arc<dyn Clock>,
    /// What operators call the node.
    node: String,
    renewal: Renewal,
    /// Of the folder, when what is in use lay there; none until that was looked up.
    mark: Option<Mark>,
}

impl Looks for KeyWatch {
    async fn look(&mut self) -> Option<Duration> {
        for action in self.find() {
            self.tell(&action);
        }
        // Each time: whoever measures may have begun after the node.
        let ends = self.keys.dates().until.get() / 1_000;
        metrics::gauge!(CERTIFICATE_EXPIRATION).set(ends as f64);
        Some(Duration::from_millis(KEYS_LOOK_MS))
    }
}

impl KeyWatch {
    pub(crate) fn new(
        keys: LinkKeys,
        folder: Arc<dyn KeyFolder>,
        clock: Arc<dyn Clock>,
        node: &str,
    ) -> Self {
        let renewal = Renewal::of(keys.dates());
        Self { keys, folder, clock, node: node.to_owned(), renewal, mark: None }
    }

    /// Looks, and uses what is better than before; gives what came of it.
    pub(crate) fn find(&mut self) -> Vec<KeyAction> {
        let now = self.clock.now();
        // Before it is read: what is written meanwhile is seen at the next look.
        let mark = self.folder.mark();
        let (found, judged) = match self.judge(&mark, now) {
            Ok(None) => (Found::InUse, None),
            Ok(Some(judged)) => (Found::Fit(judged.dates()), Some(judged)),
            Err(why) => (Found::Unfit(why), None),
        };
        let actions = self.renewal.step(now, found.clone());
        let is_used = actions.contains(&KeyAction::Use);
        if let Some(judged) = judged.filter(|_| is_used) {
            self.keys.change_to(judged);
        }
        if is_used || found == Found::InUse {
            self.mark = Some(mark);
        }
        actions
    }

    /// What lies there; none if it is in use.
    fn judge(&self, mark: &Mark, now: Timestamp) -> Result<Option<Judged>, String> {
        if self.mark.as_ref() == Some(mark) {
            return Ok(None);
        }
        let set = self.folder.read()?;
        self.keys.judge(&set, now).map_err(|error| error.to_string())
    }

    fn tell(&self, action: &KeyAction) {
        let Self { node, folder, .. } = self;
        let (folder, dates) = (folder.place(), self.keys.dates());
        let (from, until) = (dates.from.rfc3339(), dates.until.rfc3339());
        match action {
            KeyAction::Use => tracing::info!(
                folder,
                until,
                "the certificate and keys of the links were renewed; new links are made with them"
            ),
            KeyAction::TellUnfit(why) => tracing::warn!(
                why,
                folder,
                "the certificate and keys in `links_folder` were changed and cannot be used, so \
                 the earlier ones are; put all files there that `tgs cert node {node}` makes"
            ),
            KeyAction::TellStanding(Standing::Early) => tracing::warn!(
                from,
                folder,
                "the certificate of the links is not good yet, and no links are made; is the \
                 clock of this machine right?"
            ),
            KeyAction::TellStanding(Standing::Ended) => tracing::warn!(
                until,
                folder,
                "the certificate of the links has run out, and no links are made; {}",
                self.remedy()
            ),
            KeyAction::TellStanding(Standing::Good | Standing::EndsSoon) => tracing::warn!(
                until,
                folder,
                "the certificate of the links runs out soon; {}",
                self.remedy()
            ),
        }
    }

    fn remedy(&self) -> String {
        let node = &self.node;
        format!(
            "renew it with `tgs cert node {node} --authority … --out …` and put the files into \
             the folder, which needs no restart"
        )
    }
}
