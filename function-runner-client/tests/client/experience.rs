//! The pages' snippets, as they are printed there.

use function_runner_backends::memory::MemoryQueue;
use function_runner_client::{Connection, prelude::*};
use function_runner_testkit::{MockExecutor, TestContext};
use serde_json::json;

use crate::user::{
    Network, UPSCALE, UpscaleInput, UpscaleOutput, doubling, machine, make_trailer, registry, soon, upscale,
};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Greeting {
    name: String,
}

const GREET: Function<Greeting, String> = Function::new("greet");

async fn greet(_: Context, input: Greeting) -> Result<String, Failure> {
    Ok(format!("Hello, {}!", input.name))
}

#[tokio::test]
async fn one_the_first_ten_minutes() -> Result<()> {
    let runner = Runner::local(Registry::new().add(GREET.implement(greet)))?;
    assert_eq!(soon(runner.call(GREET, Greeting { name: "Ada".into() })).await?, "Hello, Ada!");
    Ok(())
}

struct Bar(Vec<Option<f32>>);

impl Bar {
    fn set(&mut self, fraction: Option<f32>, _: String) {
        self.0.push(fraction);
    }
}

#[tokio::test]
async fn two_real_work_with_progress() -> Result<()> {
    let (runner, photo, mut bar) = (Runner::local(registry())?, "photo", Bar(Vec::new()));
    let handle = runner
        .call(UPSCALE, UpscaleInput::new(photo).factor(4))
        .quality(Quality::Draft)
        .priority(8)
        .submit()
        .await?;
    let mut progress = handle.progress();
    while let Some(p) = soon(progress.next()).await {
        bar.set(p.fraction, p.message);
    }
    let output = handle.output().await?;
    assert_eq!(bar.0.last(), Some(&Some(1.0)), "the last progress is not lost: {:?}", bar.0);
    assert_eq!(output.url, "photo@4x by Bilinear");
    Ok(())
}

#[tokio::test]
async fn two_a_handle_outlives_a_timeout_and_can_still_cancel() -> Result<()> {
    let waiting = UPSCALE.implement(|ctx, _| async move {
        ctx.cancelled().await;
        Err(Failure::cancelled())
    });
    let runner = Runner::local(Registry::new().add(waiting))?;
    let handle = runner.call(UPSCALE, UpscaleInput::new("photo")).submit().await?;
    assert!(tokio::time::timeout(Duration::from_millis(5), handle.output()).await.is_err());
    handle.cancel().await?;
    let error = soon(handle.output()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Cancelled);
    Ok(())
}

#[tokio::test]
async fn three_one_string_changes() -> Result<()> {
    let runner = Runner::connect("memory:").await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = runner.worker(registry())?.capacity(machine());
    let call = async {
        let output = soon(runner.call(UPSCALE, UpscaleInput::new("photo"))).await;
        drop(stop);
        output
    };
    let (ended, output) = tokio::join!(worker.run_until(stopped), call);
    ended?;
    assert_eq!(output?.url, "photo@2x by Lanczos");
    Ok(())
}

#[tokio::test]
async fn three_what_cannot_be_connected_to_says_what_to_do() {
    let error = Runner::connect("ftp://example.org").await.unwrap_err();
    let known = if cfg!(feature = "embedded") { "memory, sqlite" } else { "memory" };
    assert_eq!(error.message(), format!("there is no backend for `ftp:`; this build knows: {known}"));
    let error = Runner::new(MockExecutor::new()).worker(registry()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.remedy().starts_with("workers connect to the queue behind it"), "{error}");
}

#[tokio::test]
async fn four_a_function_declared_in_full() -> Result<()> {
    let runner = Runner::local(registry())?;
    let functions = runner.functions().await?;
    let [template] = functions.templates.as_slice() else { panic!("{functions:?}") };
    assert_eq!(
        (template.title.as_str(), template.version.to_string().as_str()),
        ("Upscale an image", "1.2.0")
    );
    assert_eq!(template.qualities(), [&Quality::Draft, &Quality::Standard, &Quality::High]);
    for (quality, network) in [(Quality::Draft, "Bilinear"), (Quality::Standard, "Lanczos")] {
        let output = soon(runner.call(UPSCALE, UpscaleInput::new("photo")).quality(quality)).await?;
        assert_eq!(output.url, format!("photo@2x by {network}"));
    }
    Ok(())
}

#[tokio::test]
async fn five_the_mock() -> Result<()> {
    let mock = MockExecutor::new()
        .on(UPSCALE, |input| Ok(UpscaleOutput::fake(input.factor)))
        .fail_once(UPSCALE, Failure::transient("gpu busy"));
    soon(make_trailer(&Runner::new(mock.clone()))).await?;
    assert_eq!(mock.inputs(UPSCALE).len(), 2); // one per task, whatever attempts it took
    Ok(())
}

#[test]
fn five_the_body_alone() -> Result<(), Failure> {
    let test = TestContext::new().parameter("network", Network::Thick);
    let output = upscale(test.context(), UpscaleInput::new("photo"))?; // the body alone
    assert_eq!(output.url, "photo@2x by Thick");
    assert_eq!(test.progress().last().unwrap().fraction, Some(1.0));
    test.cancel(); // and then `ctx.check()` fails
    assert!(upscale(test.context(), UpscaleInput::new("photo")).is_err());
    Ok(())
}

#[tokio::test]
async fn seven_an_input_that_breaks_its_schema() -> Result<()> {
    let runner = Runner::local(registry())?;
    let input = json!({"photo": "photo", "factor": 5, "qualty": "high"});
    let error = soon(runner.call_by_name("image.upscale", input)).await.unwrap_err();
    let id = error.task().expect("every error carries the task's id");
    assert_eq!(
        error.to_string(),
        format!(
            "the input of `image.upscale` does not match its schema (2 problems) (task: {id})
  /factor    5 is not one of 2, 4
  /qualty    unknown field; did you mean `quality`? (quality is set on the call, not in the input)
help: `fnr functions image.upscale` shows the schema and an example"
        )
    );
    assert_eq!(format!("{error:?}"), error.to_string(), "what `fn main() -> Result<()>` prints");
    assert_eq!(error.faults().len(), 2);
    Ok(())
}

#[tokio::test]
async fn seven_a_requirement_that_no_worker_can_meet() -> Result<()> {
    let (connection, _worker) = crate::user::served(registry());
    let runner = Runner::over(connection);
    let call = async || runner.call(UPSCALE, UpscaleInput::new("photo")).quality(Quality::High).await;
    // the worker is known from its first call on
    let error = soon(async {
        loop {
            match call().await {
                Err(error) if error.kind() != ErrorKind::UnknownFunction => break error,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::ImpossibleRequirement);
    let expected =
        "no worker can ever run this task: it needs 1500 MiB of GPU memory and no worker has a GPU";
    assert_eq!(error.message(), expected);
    let help = "choose a lower quality (standard needs 2 cores, 800 MiB of memory) or start a worker on a larger machine";
    assert_eq!(error.remedy(), help);
    Ok(())
}

#[tokio::test]
async fn eight_a_backend_of_ones_own() -> Result<()> {
    let queue = MemoryQueue::new();
    let runner = Runner::over(Connection::queue(queue));
    let worker = runner.worker(doubling())?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let call = async {
        while runner.functions().await?.templates.is_empty() {
            tokio::task::yield_now().await;
        }
        let output = soon(runner.call(crate::user::DOUBLE, 4)).await;
        drop(stop);
        output
    };
    let (ended, output) = tokio::join!(worker.run_until(stopped), call);
    ended?;
    assert_eq!(output?, 8);
    Ok(())
}
