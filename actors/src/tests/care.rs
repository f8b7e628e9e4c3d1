//! Full disks, devices that fail or hang, memory that runs out: jobs move or wait, and end with the
//! same bytes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tgs_protocol::{
    code::Code,
    desk::{JobDesk, Terms},
    id::JobId,
    job::{JobRow, JobState, Outcome},
    model::ModelName,
    queue::{DeviceClass, Use, Waiting},
    request::JobRequest,
    unit::{ByteCount, Millis},
    watchdog::Silence,
};

use crate::{
    NodeConfig,
    node_supervisor::message::Hands,
    tests::{
        script::Deed,
        world::{World, follow, submit, undisturbed},
    },
};

/// The node looks after itself often; training may be silent for a quarter of a second, other work
/// a little longer.
fn attentive(config: &mut NodeConfig) {
    config.silence = Silence { steps: Millis(250), free: Millis(400) };
    config.disk_floor = ByteCount(800);
}

fn attentive_on_two(config: &mut NodeConfig) {
    attentive(config);
    config.devices = vec![DeviceClass::Cpu; 2];
}

/// Waits until the node is as it should be.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..4_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}");
}

/// Until the job has ended, wherever it went meanwhile.
async fn ended(desk: &Arc<dyn JobDesk>, job: &JobId) -> JobRow {
    until("the job ends", async || desk.show(job).await.expect("a row").state.is_final()).await;
    desk.show(job).await.expect("a row")
}

fn uses(desk: &Arc<dyn JobDesk>) -> Vec<Use> {
    desk.health().devices.into_iter().map(|(_, used)| used).collect()
}

fn is_published(row: &JobRow) -> bool {
    matches!(row.state, JobState::Ended(Outcome::Published { .. }))
}

fn told(row: &JobRow, words: &str) -> bool {
    row.timeline.iter().any(|entry| entry.what.contains(words))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_nearly_full_suspends_everything_until_there_is_room() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node_as("a", "class", attentive).await;
    let desk = node.desk();
    let pause = world.script.await_stop_at("step 15");
    let first = submit(&node, world.synthesize()).await;
    let second = submit(&node, world.synthesize()).await;
    pause.reached().await;
    world.space.0.store(799, Ordering::SeqCst);
    let waits = async || desk.why(&first).await.expect("a node") == Some(Waiting::Disk);
    until("the job gives its device back", waits).await;
    assert_eq!(desk.why(&second).await.expect("a node"), Some(Waiting::Disk));
    assert_eq!(desk.wait(&first).await.expect("a node"), None, "nobody knows when there is room");
    until("the device is free", async || uses(&desk) == [Use::Free]).await;
    let row = desk.show(&first).await.expect("a row");
    assert!(!row.state.is_final() && told(&row, "the disk is nearly full"), "{row:?}");
    assert_eq!(row.done.checkpoint.map(|facts| facts.step.get()), Some(15), "what it had is kept");
    let refused = desk.submit(world.synthesize(), Terms::default()).await.expect_err("no room");
    assert_eq!(refused.code, Code::DiskFull);
    assert!(refused.message.contains("`disk_floor_mib`"), "{refused}");
    assert!(desk.health().is_ready().is_err());
    world.space.0.store(850, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(desk.health().room.is_low, "a little more is not enough");
    world.space.0.store(900, Ordering::SeqCst);
    assert!(is_published(&ended(&desk, &first).await));
    assert!(is_published(&ended(&desk, &second).await));
    assert!(world.delivered()["table.csv"] == undisturbed().await["table.csv"], "the same bytes");
    assert!(desk.health().is_ready().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_does_not_come_back_with_the_room() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node_as("a", "class", attentive).await;
    let desk = node.desk();
    let pause = world.script.await_stop_at("step 15");
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    world.space.0.store(0, Ordering::SeqCst);
    until("it waits", async || desk.why(&job).await.expect("a node").is_some()).await;
    desk.cancel(&job).await.expect("it is in our hands");
    world.space.0.store(u64::MAX, Ordering::SeqCst);
    until("the node is ready", async || desk.health().is_ready().is_ok()).await;
    let row = desk.show(&job).await.expect("a row");
    assert_eq!(row.state, JobState::Ended(Outcome::Cancelled));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_moves_from_a_device_that_hangs_and_the_device_may_come_back() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node_as("a", "class", attentive_on_two).await;
    let desk = node.desk();
    let pause = world.script.pause_at("step 25");
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    let row = ended(&desk, &job).await;
    assert!(is_published(&row), "{row:?}");
    assert!(told(&row, "device 0 hangs and is set aside"), "{row:?}");
    until("one device is left", async || uses(&desk) == [Use::Aside, Use::Free]).await;
    assert!(desk.health().is_ready().is_ok(), "there is another one");
    assert_eq!(world.delivered(), undisturbed().await);
    assert_eq!(world.stores.times_entered(), [1, 1, 1]);
    pause.release();
    until("the device is used again", async || uses(&desk) == [Use::Free, Use::Free]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_stage_hangs_is_noticed() {
    for point in ["ingest", "profile", "plan", "trainer", "finish", "evaluate", "assemble"] {
        let world = World::new();
        world.clock.keep_real();
        let node = world.node_as("a", "class", attentive_on_two).await;
        let desk = node.desk();
        let pause = world.script.pause_at(point);
        let job = submit(&node, world.synthesize()).await;
        pause.reached().await;
        let row = ended(&desk, &job).await;
        assert!(is_published(&row), "{point}: {row:?}");
        assert!(told(&row, "device 0 hangs and is set aside"), "{point}: {row:?}");
        assert_eq!(world.delivered(), undisturbed().await, "{point}");
        pause.release();
        until("the device is used again", async || uses(&desk) == [Use::Free, Use::Free]).await;
        assert_eq!(world.delivered(), undisturbed().await, "{point}: what came late changed it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampler_that_hangs_costs_no_chunk() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node_as("a", "class", attentive).await;
    let pause = world.script.pause_at("chunk 0");
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    let row = ended(&node.desk(), &job).await;
    assert!(is_published(&row), "{row:?}");
    assert!(told(&row, "no chunk came for too long"), "{row:?}");
    assert_eq!(world.delivered(), undisturbed().await);
    pause.release();
}

/// Two devices, and neither is lost to work that hangs wherever it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_work_hangs_twice_ends_and_its_memory_is_kept_until_the_threads_come_back() {
    let world = World::new();
    world.clock.keep_real();
    let config = |config: &mut NodeConfig| {
        attentive_on_two(config);
        config.devices.push(DeviceClass::Cpu);
    };
    let node = world.node_as("a", "class", config).await;
    let desk = node.desk();
    let pauses = [world.script.pause_at("evaluate"), world.script.pause_at("evaluate")];
    let job = submit(&node, world.synthesize()).await;
    let row = ended(&desk, &job).await;
    let JobState::Ended(Outcome::Failed(failure)) = &row.state else { panic!("{row:?}") };
    assert_eq!(failure.code, Code::WorkHangs);
    until("both are aside", async || uses(&desk) == [Use::Aside, Use::Aside, Use::Free]).await;
    let other = submit(&node, world.synthesize()).await;
    assert!(is_published(&ended(&desk, &other).await), "the third device is there for others");
    pauses.iter().for_each(|pause| pause.release());
    until("they are used again", async || uses(&desk) == [Use::Free; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_only_device_hangs_says_so_and_goes_on_when_it_comes_back() {
    let world = World::new();
    world.clock.keep_real();
    let node = world.node_as("a", "class", attentive).await;
    let desk = node.desk();
    let pause = world.script.pause_at("step 25");
    let job = submit(&node, world.synthesize()).await;
    pause.reached().await;
    let waits = async || desk.why(&job).await.expect("a node") == Some(Waiting::Device);
    until("the job waits for a device", waits).await;
    let unwell = desk.health().is_ready().expect_err("nothing can be computed");
    assert_eq!(unwell.code, Code::DeviceLost);
    pause.release();
    assert!(is_published(&ended(&desk, &job).await));
    assert_eq!(world.delivered(), undisturbed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_fails_three_times_in_a_row_is_set_aside_and_its_job_moves() {
    let world = World::new();
    let node = world.node_as("a", "class", attentive_on_two).await;
    let desk = node.desk();
    world.script.at("trainer", 3, Deed::Fail(Code::DeviceFailed));
    let job = submit(&node, world.synthesize()).await;
    let row = ended(&desk, &job).await;
    assert!(is_published(&row), "{row:?}");
    assert!(told(&row, "device 0 failed three times in a row"), "{row:?}");
    until("one device is left", async || uses(&desk) == [Use::Aside, Use::Free]).await;
    assert_eq!(world.delivered(), undisturbed().await);
}

/// Jobs that need the class are taken up for another device then: nobody else may have the class.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_whose_devices_are_all_set_aside_is_none_of_the_nodes() {
    let world = World::new();
    let both = |config: &mut NodeConfig| {
        attentive(config);
        config.devices = vec![DeviceClass::Cpu, DeviceClass::Gpu];
    };
    let node = world.node_as("a", "class", both).await;
    let desk = node.desk();
    let classes = async || Hands::of(&node.supervisor).await.expect("it answers").classes;
    assert_eq!(classes().await, [DeviceClass::Cpu, DeviceClass::Gpu].into());
    world.script.at("trainer", 3, Deed::Fail(Code::DeviceFailed));
    let net = JobRequest { model: ModelName::Tabgraph, ..world.synthesize() };
    let job = submit(&node, net).await;
    let row = ended(&desk, &job).await;
    assert!(is_published(&row), "{row:?}");
    until("one device is left", async || uses(&desk) == [Use::Free, Use::Aside]).await;
    assert_eq!(classes().await, [DeviceClass::Cpu].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_everywhere_ends_and_leaves_the_node_its_devices() {
    let world = World::new();
    let node = world.node_as("a", "class", attentive_on_two).await;
    let desk = node.desk();
    world.script.at("trainer", usize::MAX, Deed::Panic);
    let job = submit(&node, world.synthesize()).await;
    let row = ended(&desk, &job).await;
    let JobState::Ended(Outcome::Failed(failure)) = &row.state else { panic!("{row:?}") };
    assert_eq!(failure.code, Code::DeviceFailed);
    until("both are used again", async || uses(&desk) == [Use::Free, Use::Free]).await;
}

/// Nets are trained on the graphics processor, all else on cores; training that does not fit there
/// with one thread either goes on on cores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_that_a_graphics_processor_has_no_room_for_goes_on_on_cores() {
    let world = World::new();
    let both = |config: &mut NodeConfig| {
        config.devices = vec![DeviceClass::Cpu, DeviceClass::Gpu];
    };
    let node = world.node_as("a", "class", both).await;
    let net = || JobRequest { model: ModelName::Tabgraph, ..world.synthesize() };
    let job = submit(&node, net()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(is_published(&row) && !row.off_gpu, "{row:?}");
    assert_eq!(world.script.passes("train on Gpu(0)"), 1);
    assert!(row.done.went_on_in.is_empty(), "sampling on cores is no change of class: {row:?}");
    let undisturbed = world.delivered();
    world.script.at("step 15", 2, Deed::Fail(Code::DeviceMemory));
    let job = submit(&node, net()).await;
    let row = ended(&node.desk(), &job).await;
    assert!(is_published(&row), "{row:?}");
    assert_eq!(world.script.passes("train on Gpu(0)"), 3, "with two threads and with one");
    assert_eq!(world.script.passes("train on Cpu"), 1);
    assert_eq!((row.off_gpu, row.train_threads(1)), (true, 2));
    assert!(told(&row, "training goes on with 1 of 2 threads"), "{row:?}");
    assert!(told(&row, "training goes on on the processor"), "{row:?}");
    assert!(told(&row, "instead of gpu-"), "the class of bits is another one: {row:?}");
    assert_eq!(world.delivered()["table.csv"], undisturbed["table.csv"], "here they are equal");
    until("both are free", async || uses(&node.desk()) == [Use::Free, Use::Free]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_share_a_training_bring_their_threads_and_change_no_byte() {
    let world = World::new();
    let node =
        world.node_as("a", "class", |config| config.devices = vec![DeviceClass::Cpu; 3]).await;
    let net = |devices| {
        let model = ModelName::Tabgraph;
        JobRequest { devices, model, ..world.synthesize() }
    };
    let job = submit(&node, net(1)).await;
    assert!(is_published(&ended(&node.desk(), &job).await));
    assert_eq!(world.script.passes("train with 2 threads"), 1);
    let undisturbed = world.delivered();
    world.script.at("step 15", 1, Deed::Fail(Code::OutOfMemory));
    let job = submit(&node, net(3)).await;
    until("all three are taken", async || uses(&node.desk()) == [Use::Busy; 3]).await;
    let row = ended(&node.desk(), &job).await;
    assert!(is_published(&row), "{row:?}");
    let trained = |threads| world.script.passes(&format!("train with {threads} threads"));
    assert_eq!((trained(6), trained(3), trained(2)), (1, 1, 1));
    assert!(told(&row, "out of memory: training goes on with 3 of 6 threads"), "{row:?}");
    assert_eq!(world.delivered()["table.csv"], undisturbed["table.csv"], "the same bytes");
    until("all are free", async || uses(&node.desk()) == [Use::Free; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_that_runs_out_of_memory_goes_on_with_fewer_threads() {
    let world = World::new();
    let node = world.node("a").await;
    world.script.at("step 15", 1, Deed::Fail(Code::OutOfMemory));
    let job = submit(&node, world.synthesize()).await;
    let (_, row) = follow(&node.desk(), &job).await;
    assert!(is_published(&row), "{row:?}");
    assert_eq!((row.narrowed, row.train_threads(1), row.request.threads), (1, 1, 2));
    assert!(told(&row, "out of memory: training goes on with 1 of 2 threads"), "{row:?}");
    assert!(world.delivered()["table.csv"] == undisturbed().await["table.csv"], "the same bytes");
}
