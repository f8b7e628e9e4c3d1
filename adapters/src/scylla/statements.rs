//! Every sentence that is said to the database, prepared once. `decides` are lightweight
//! transactions at SERIAL, `sees` reads that see what they decided, `copies` plain writes and reads
//! at QUORUM of what can be made again.

use scylla::{
    client::session::Session,
    errors::PrepareError,
    statement::{Consistency, SerialConsistency, prepared::PreparedStatement},
};

/// How a statement is carried out.
#[derive(Debug, Clone, Copy)]
enum Care {
    Decides,
    Sees,
    Copies,
}

async fn prepared(
    session: &Session,
    care: Care,
    text: &str,
) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(text).await?;
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    statement.set_consistency(match care {
        Care::Sees => Consistency::Serial,
        Care::Decides | Care::Copies => Consistency::Quorum,
    });
    // A transaction sent twice by the driver could be refused by its own first sending.
    statement.set_is_idempotent(!matches!(care, Care::Decides));
    Ok(statement)
}

/// What is said of pieces of bytes: written once under a name of their own, so that nothing is
/// decided on them.
#[derive(Debug)]
pub(super) struct Pieces {
    /// With a quorum in each region.
    pub(super) put: PreparedStatement,
    /// With a quorum in this region; none where there is but one.
    pub(super) put_nearby: Option<PreparedStatement>,
    /// From this region, where there are several.
    pub(super) get: PreparedStatement,
    /// From all of them; none where there is but one.
    pub(super) get_anywhere: Option<PreparedStatement>,
    pub(super) drop: PreparedStatement,
}

impl Pieces {
    /// Prepares all of them; `is_spread`: over several regions that are to bear the loss of others.
    pub(super) async fn prepare(session: &Session, is_spread: bool) -> Result<Self, PrepareError> {
        use Consistency::{All, EachQuorum, LocalQuorum, Quorum};
        let say = async |text: &str, consistency| {
            let mut statement = session.prepare(text).await?;
            statement.set_consistency(consistency);
            statement.set_is_idempotent(true);
            Ok::<_, PrepareError>(statement)
        };
        let put = "INSERT INTO piece (name, no, bytes) VALUES (?, ?, ?)";
        let get = "SELECT bytes FROM piece WHERE name = ? AND no = ?";
        let drop = "DELETE FROM piece WHERE name = ? AND no = ?";
        let (in_each, here) = match is_spread {
            true => (EachQuorum, LocalQuorum),
            false => (Quorum, Quorum),
        };
        let (mut put_nearby, mut get_anywhere) = (None, None);
        if is_spread {
            put_nearby = Some(say(put, LocalQuorum).await?);
            get_anywhere = Some(say(get, All).await?);
        }
        let (put, get, drop) =
            (say(put, in_each).await?, say(get, here).await?, say(drop, here).await?);
        Ok(Self { put, put_nearby, get, get_anywhere, drop })
    }
}

macro_rules! statements {
    ($($name:ident: $care:ident $text:literal;)*) => {
        /// Prepared statements, named by what they do.
        #[derive(Debug)]
        pub(super) struct Statements {
            $(pub(super) $name: PreparedStatement,)*
        }

        impl Statements {
            /// Prepares all of them.
            pub(super) async fn prepare(session: &Session) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepared(session, Care::$care, $text).await?,)* })
            }
        }
    };
}

statements! {
    see_job: Sees "SELECT DISTINCT job, owner, epoch, renewals, body, version, stamp, newest, \
        pending, gone FROM job WHERE job = ?";
    look_at_lease: Sees "SELECT DISTINCT job, owner, epoch, renewals FROM job WHERE job = ?";
    claim: Decides "UPDATE job SET owner = ?, epoch = ?, renewals = 0 WHERE job = ? \
        IF owner = ? AND epoch = ? AND renewals = ?";
    renew: Decides "UPDATE job SET renewals = ? WHERE job = ? \
        IF owner = ? AND epoch = ? AND renewals = ?";
    release: Decides "UPDATE job SET owner = null WHERE job = ? IF owner = ? AND epoch = ?";

    insert_job: Decides "UPDATE job SET body = ?, version = 1, stamp = ?, newest = ?, told = 0, \
        pending = ? WHERE job = ? IF version = null AND gone = null";
    save_job: Decides "UPDATE job SET body = ?, version = ?, newest = ?, pending = pending + ? \
        WHERE job = ? IF owner = ? AND epoch = ? AND version = ? AND gone = null";
    begin_forgetting: Decides "UPDATE job SET gone = true WHERE job = ? IF version = ?";
    end_forgetting: Decides "UPDATE job SET body = null, version = null, stamp = null, \
        newest = null, told = null, pending = null, owner = null WHERE job = ? IF gone = true";
    forget_items: Copies "DELETE FROM job WHERE job = ? AND item > ''";
    read_body: Copies "SELECT DISTINCT job, body, gone FROM job WHERE job = ?";
    see_outbox: Sees "SELECT DISTINCT job, told, pending, gone FROM job WHERE job = ?";

    take_key: Decides "INSERT INTO submission (key, job, stamp, body) VALUES (?, ?, ?, ?) \
        IF NOT EXISTS";
    see_key: Sees "SELECT job, stamp, body FROM submission WHERE key = ?";
    free_key: Decides "DELETE FROM submission WHERE key = ? IF job = ?";

    put_place: Copies "INSERT INTO place (list, accepted_at, job, state_class) \
        VALUES ('all', ?, ?, ?) USING TIMESTAMP ?";
    drop_place: Copies "DELETE FROM place USING TIMESTAMP ? \
        WHERE list = 'all' AND accepted_at = ? AND job = ?";
    places: Copies "SELECT accepted_at, job, state_class FROM place WHERE list = 'all' \
        AND (accepted_at, job) < (?, ?)";
    all_places: Copies "SELECT accepted_at, job, state_class FROM place WHERE list = 'all'";
    put_in_line: Copies "INSERT INTO line (state_class, rank, job) VALUES (?, ?, ?) \
        USING TIMESTAMP ?";
    drop_from_line: Copies "DELETE FROM line USING TIMESTAMP ? \
        WHERE state_class = ? AND rank = ? AND job = ?";
    line: Copies "SELECT job FROM line WHERE state_class = ?";

    mark: Copies "INSERT INTO untold (list, job, mark) VALUES ('all', ?, ?)";
    unmark: Copies "DELETE FROM untold WHERE list = 'all' AND job = ? AND mark = ?";
    marks: Copies "SELECT job, mark FROM untold WHERE list = 'all'";

    see_log_end: Sees "SELECT turn, newest, numbered FROM log_end WHERE list = 'all'";
    copied_log_end: Copies "SELECT turn, newest, numbered FROM log_end WHERE list = 'all'";
    begin_log: Decides "UPDATE log_end SET turn = ?, newest = ?, numbered = ? WHERE list = 'all' \
        IF turn = null";
    extend_log: Decides "UPDATE log_end SET turn = ?, newest = ?, numbered = ? WHERE list = 'all' \
        IF turn = ?";
    put_entry: Copies "INSERT INTO log (bucket, no, job, event) VALUES (?, ?, ?, ?)";
    put_entry_of: Copies "INSERT INTO log_of (job, no, event) VALUES (?, ?, ?)";
    set_told: Decides "UPDATE job SET told = ?, pending = pending - ? WHERE job = ? IF told = ?";
    entries: Copies "SELECT event FROM log WHERE bucket = ? AND no >= ? AND no <= ? LIMIT ?";
    entries_of: Copies "SELECT event FROM log_of WHERE job = ? AND no >= ? AND no <= ? LIMIT ?";
    numbers_of: Copies "SELECT no FROM log_of WHERE job = ?";
    drop_entry: Copies "DELETE FROM log WHERE bucket = ? AND no = ?";
    drop_entries_of: Copies "DELETE FROM log_of WHERE job = ?";

    order_end: Copies "INSERT INTO end_order (job, ordered) VALUES (?, true)";
    end_order: Copies "SELECT ordered FROM end_order WHERE job = ?";
    drop_end_order: Copies "DELETE FROM end_order WHERE job = ?";

    say_presence: Copies "INSERT INTO presence (list, incarnation, said) VALUES ('all', ?, ?) \
        USING TTL ?";
    drop_presence: Copies "DELETE FROM presence WHERE list = 'all' AND incarnation = ?";
    presences: Copies "SELECT said FROM presence WHERE list = 'all'";
    order_node: Copies "INSERT INTO node_order (node, ordered) VALUES (?, ?)";
    tell_assignment: Copies "INSERT INTO assignment (told, body) VALUES (?, ?) \
        USING TTL ? AND TIMESTAMP ?";
    assignment: Copies "SELECT body FROM assignment WHERE told = ?";
    node_order: Copies "SELECT ordered FROM node_order WHERE node = ?";

    put_item: Decides "UPDATE job SET value = ? WHERE job = ? AND item = ? \
        IF owner = ? AND epoch = ? AND value = ?";
    sweep_item: Decides "UPDATE job SET value = null WHERE job = ? AND item = ? \
        IF value != null";
    item_names: Sees "SELECT item, value FROM job WHERE job = ?";
    see_item: Sees "SELECT value FROM job WHERE job = ? AND item = ?";
    see_items: Sees "SELECT value FROM job WHERE job = ? AND item >= ? AND item < ?";

    put_bytes_of: Copies "INSERT INTO bytes_of (job, name, size) VALUES (?, ?, ?)";
    bytes_of: Copies "SELECT name, size FROM bytes_of WHERE job = ?";
    drop_bytes_of: Copies "DELETE FROM bytes_of WHERE job = ? AND name = ?";

    begin_upload: Decides "INSERT INTO upload (id, body, received) VALUES (?, ?, 0) IF NOT EXISTS";
    see_upload: Sees "SELECT body, received, parts, closing, made FROM upload WHERE id = ?";
    append_part: Decides "UPDATE upload SET received = ?, parts = parts + ? WHERE id = ? \
        IF received = ? AND closing = null";
    close_upload: Decides "UPDATE upload SET closing = true WHERE id = ? \
        IF received = ? AND made = null";
    set_made: Decides "UPDATE upload SET made = ? WHERE id = ? IF closing = true AND made = null";
    drop_open_upload: Decides "DELETE FROM upload WHERE id = ? IF closing = null";
    drop_upload: Decides "DELETE FROM upload WHERE id = ? IF EXISTS";
    put_dataset_name: Copies "INSERT INTO dataset_name (list, name) VALUES ('all', ?)";
    dataset_names: Copies "SELECT name FROM dataset_name WHERE list = 'all' AND name > ?";
    versions: Sees "SELECT body FROM dataset WHERE name = ?";
    put_version: Decides "INSERT INTO dataset (name, version, body) VALUES (?, ?, ?) IF NOT EXISTS";
    drop_version: Decides "DELETE FROM dataset WHERE name = ? AND version = ? IF body = ?";

    see_subscriptions: Sees "SELECT turn, body FROM subscription WHERE list = 'all'";
    see_subscription: Sees "SELECT body, version, deliveries FROM subscription \
        WHERE list = 'all' AND id = ?";
    subscribe: Decides "UPDATE subscription SET body = ?, version = ?, turn = ? \
        WHERE list = 'all' AND id = ? IF turn = ?";
    change_subscription: Decides "UPDATE subscription SET body = ?, version = ?, \
        deliveries = deliveries + ? WHERE list = 'all' AND id = ? IF version = ?";
    settle_subscription: Decides "UPDATE subscription SET deliveries = deliveries - ? \
        WHERE list = 'all' AND id = ? IF version = ?";
    unsubscribe: Decides "DELETE FROM subscription WHERE list = 'all' AND id = ? IF EXISTS";
    put_delivery: Copies "INSERT INTO delivery (subscription, no, body) VALUES (?, ?, ?) \
        USING TIMESTAMP ?";
    delivery: Copies "SELECT body FROM delivery WHERE subscription = ? AND no = ?";
    deliveries: Copies "SELECT no, body FROM delivery WHERE subscription = ? AND no < ? LIMIT ?";
    drop_delivery: Copies "DELETE FROM delivery USING TIMESTAMP ? \
        WHERE subscription = ? AND no = ?";
    drop_deliveries: Copies "DELETE FROM delivery WHERE subscription = ?";
    put_ending: Copies "INSERT INTO ending (list, no, event) VALUES ('all', ?, ?)";
    endings: Copies "SELECT event FROM ending WHERE list = 'all' AND no < ? AND no > ? LIMIT ?";
    drop_ending: Copies "DELETE FROM ending WHERE list = 'all' AND no = ?";
    see_mark: Sees "SELECT through FROM read_mark WHERE list = 'all'";
    begin_mark: Decides "INSERT INTO read_mark (list, through) VALUES ('all', ?) IF NOT EXISTS";
    move_mark: Decides "UPDATE read_mark SET through = ? WHERE list = 'all' IF through = ?";
}
