//! Rows at once: a model is opened once, a full line sends away, a panic ends one request, and no
//! row leaves of a model whose report blocked.

use tgs_protocol::{
    code::Code,
    desk::DeskError,
    given::Given,
    id::JobId,
    job::listing::Page,
    limits::{ROW_SAMPLERS, SAMPLE_ROWS_MAX, SAMPLES_WAITING_MAX},
    report::Verdict,
    request::Goal,
    unit::Rows,
    wire::{SampleFormat, SampleOrder},
};

use crate::{
    Node,
    tests::{
        script::Deed,
        world::{World, follow, submit},
    },
};

const ONE: SampleOrder = SampleOrder { rows: 1, seed: 3, format: SampleFormat::Csv };

/// A node with a job that has ended.
async fn trained(world: &World) -> (Node, JobId) {
    let node = world.node("a").await;
    let job = submit(&node, world.synthesize()).await;
    follow(&node.desk(), &job).await;
    (node, job)
}

fn code(drawn: Result<Vec<u8>, DeskError>) -> Option<Code> {
    drawn.err().map(|error| error.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_opened_once_and_draws_the_rows_of_a_job() {
    let world = World::new();
    let (node, job) = trained(&world).await;
    let models = node.models();
    let before = world.script.passes("open model");
    let order = SampleOrder { rows: 500, ..ONE };
    let first = models.sample(&job, order).await.expect("rows");
    for _ in 0..20 {
        assert_eq!(models.sample(&job, order).await.expect("rows"), first);
    }
    assert_eq!(world.script.passes("open model"), before + 1, "it was warm");
    // The fake engine writes rows behind a line that names their format.
    let rows = first.strip_prefix(b"Csv\n").expect("as csv");
    let model_file = node.desk().model_file(&job).await.expect("asked").expect("a model");
    let mut output = world.output();
    output.rows = Some(Rows(500));
    let mut request = world.request(Goal::Generate {
        model_file,
        output,
        given: Given::default(),
        complete: None,
    });
    request.seed = 3;
    let generated = submit(&node, request).await;
    follow(&node.desk(), &generated).await;
    assert!(world.delivered()["table.csv"] == rows, "other rows than those of the job");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_line_sends_away_at_once_and_loses_nobody_who_waits() {
    let world = World::new();
    let (node, job) = trained(&world).await;
    let models = node.models();
    let pauses: Vec<_> = (0..ROW_SAMPLERS).map(|_| world.script.pause_at("rows written")).collect();
    let draw = || {
        let (models, job) = (models.clone(), job.clone());
        tokio::spawn(async move { models.sample(&job, ONE).await })
    };
    let mut asked = Vec::new();
    for pause in &pauses {
        asked.push(draw());
        pause.reached().await;
    }
    // Both threads are held: so many wait, and some are sent away.
    let late = 10;
    asked.extend((0..SAMPLES_WAITING_MAX + late).map(|_| draw()));
    let mut sent_away = 0;
    while sent_away < late {
        sent_away = asked.iter().filter(|asked| asked.is_finished()).count();
        tokio::task::yield_now().await;
    }
    pauses.iter().for_each(|pause| pause.release());
    let mut busy = 0;
    for asked in asked {
        match code(asked.await.expect("an answer")) {
            None => {}
            Some(Code::Busy) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(busy, late);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_and_a_failure_end_one_request_each() {
    let world = World::new();
    let (node, job) = trained(&world).await;
    let models = node.models();
    world.script.at("rows written", 3, Deed::Panic);
    for _ in 0..3 {
        assert_eq!(code(models.sample(&job, ONE).await), Some(Code::DeviceFailed));
    }
    let mut request = world.synthesize();
    request.seed = 8;
    let other = submit(&node, request).await;
    follow(&node.desk(), &other).await;
    world.script.at("open model", 1, Deed::Fail(Code::ModelUnreadable));
    assert_eq!(code(models.sample(&other, ONE).await), Some(Code::ModelUnreadable));
    assert!(models.sample(&other, ONE).await.is_ok(), "it is tried again");
    assert!(models.sample(&job, ONE).await.is_ok());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_drawn_is_refused_before_anything_is_opened() {
    let mut world = World::new();
    world.verdict = Verdict::Block;
    let (node, withheld) = trained(&world).await;
    let models = node.models();
    let before = world.script.passes("open model");
    assert_eq!(code(models.sample(&withheld, ONE).await), Some(Code::Withheld));
    let strange = JobId::new("nobody");
    assert_eq!(code(models.sample(&strange, ONE).await), Some(Code::NoSuchThing));
    for rows in [0, SAMPLE_ROWS_MAX + 1, u64::MAX] {
        let order = SampleOrder { rows, ..ONE };
        assert_eq!(code(models.sample(&withheld, order).await), Some(Code::RowsOutOfRange));
    }
    assert_eq!(world.script.passes("open model"), before);
    // It is shown all the same, until its job is forgotten.
    assert_eq!(models.model(&withheld).await.expect("a row").id, withheld);
    let Page { rows, next } = models.models(None, 10).await.expect("a page");
    assert_eq!((rows.len(), next), (1, None));
    node.desk().forget(&withheld).await.expect("it has ended");
    assert_eq!(code(models.sample(&withheld, ONE).await), Some(Code::NoSuchThing));
    assert!(models.models(None, 10).await.expect("a page").rows.is_empty());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_model_once_and_jobs_without_one_are_passed() {
    let world = World::new();
    let node = world.node("a").await;
    let mut wanted = Vec::new();
    for no in 0..5 {
        if no % 2 == 1 {
            let pause = world.script.await_stop_at("step 5");
            let job = submit(&node, world.synthesize()).await;
            pause.reached().await;
            node.desk().cancel(&job).await.expect("it is ours");
        } else {
            let job = submit(&node, world.synthesize()).await;
            follow(&node.desk(), &job).await;
            wanted.push(job);
        }
    }
    wanted.sort();
    for limit in 1..4 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = node.models().models(after, limit).await.expect("a page");
            assert!(page.rows.len() <= limit);
            found.extend(page.rows.into_iter().map(|row| row.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.sort();
        assert_eq!(found, wanted, "pages of {limit}");
    }
    node.stop().await;
}
