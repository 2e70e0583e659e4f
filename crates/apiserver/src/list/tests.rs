//! Lists are made object by object; here they are compared with what encoding the whole list as one value gives.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::{Key, MemoryStore, Revision};

use super::*;
use crate::call::Parts;
use crate::negotiate::Include;
use crate::outgoing::{Outgoing, PIECE_BYTES};
use crate::query::Query;
use crate::request::{Target, Verb};
use crate::{ApiServer, Config, Identity, Limits, Pki, UnixNodeStreams, encode, show};

const FORMATS: [Format; 3] = [Format::Json, Format::PrettyJson, Format::Yaml];
const SHAPES: [Shape; 5] = [
    Shape::Object,
    Shape::Metadata,
    Shape::Table(Include::None),
    Shape::Table(Include::Metadata),
    Shape::Table(Include::Object),
];

fn forms() -> impl Iterator<Item = Form> {
    FORMATS.into_iter().flat_map(|format| SHAPES.map(|shape| Form { format, shape }))
}

/// A read of ConfigMaps as somebody outside asks for it, and what is held for its answer.
async fn call() -> (Call, Arc<AtomicUsize>) {
    call_for(Form { format: Format::Json, shape: Shape::Object }).await
}

pub(crate) async fn call_for(form: Form) -> (Call, Arc<AtomicUsize>) {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::load_or_create(directory.path(), &[]).unwrap();
    let nodes = UnixNodeStreams::new("/nowhere");
    let config = Config::new(Arc::new(MemoryStore::new()), pki, Arc::new(nodes));
    let server = ApiServer::start(config).await.unwrap();
    let held = Arc::<AtomicUsize>::default();
    let call = Call::new(Parts {
        registry: server.registry(),
        resource: server.registry().resource("", "v1", "configmaps").unwrap(),
        server,
        target: Target { version: "v1".into(), plural: "configmaps".into(), ..Target::default() },
        verb: Verb::List,
        identity: Identity::masters("test"),
        headers: http::HeaderMap::new(),
        query: Query::default(),
        form,
        outgoing: Outgoing::counted(&held, &Limits::default()),
    });
    (call, held)
}

fn stored(call: &Call, number: usize, content: &Value) -> Arc<Object> {
    let name = format!("m{number}");
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": content,
        "metadata": {"name": name, "namespace": "ns", "creationTimestamp": "2026-01-01T00:00:00Z"}});
    let key = Key::new(&["core", "configmaps", "ns", &name]).unwrap();
    let revision = Revision(number as u64 + 5);
    Arc::new(Object::new(key, revision, encode::draft(&call.resource, &value)))
}

/// The list as one value, and its encoding.
fn whole(call: &Call, form: Form, objects: &[Arc<Object>], metadata: &Value) -> String {
    let view = call.view();
    let items = objects.iter().map(|object| view.value(object).unwrap());
    let list = match form.shape {
        Shape::Object => json!({"apiVersion": "v1", "kind": "ConfigMapList",
            "metadata": metadata, "items": items.collect::<Vec<_>>()}),
        Shape::Metadata => {
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": metadata, "items": items.map(|it| show::metadata(&it)).collect::<Vec<_>>()})
        }
        Shape::Table(include) => {
            let rows = items.map(|it| show::row(&call.resource, it, include, call.now)).collect();
            show::table(&call.resource, metadata.clone(), rows)
        }
    };
    let mut text = String::from_utf8(respond::encode(form.format, &list)).unwrap();
    // Stored bytes are followed by a line's end, as the real server writes it.
    if form == (Form { format: Format::Json, shape: Shape::Object }) {
        text.push('\n');
    }
    text
}

async fn streamed(call: &Call, form: Form, objects: &[Arc<Object>], metadata: &Value) -> String {
    let response = answer(call, form, objects.to_vec(), metadata).unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

fn content() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        8 => "[a-z:#\"'\\\\\n\t |>&*%@`{}\\[\\],-]{0,30}",
        1 => Just("yes".to_owned()),
        1 => Just("1.50".to_owned()),
        // Long enough to share the store's memory, and for more than one piece.
        1 => (0..3usize).prop_map(|count| "long \"text\"\n".repeat(3000 * count)),
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1.5)),
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z.:#-]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    let base = json!({"resourceVersion": "12"});
    let paged = json!({"resourceVersion": "12", "continue": "abc=", "remainingItemCount": 7});
    prop_oneof![Just(base), Just(paged)]
}

#[test]
fn every_form_is_what_the_whole_list_as_one_value_looks_like() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (call, held) = runtime.block_on(call());
    let lists = (proptest::collection::vec(content(), 0..5), metadata());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
    let result = runner.run(&lists, |(contents, metadata)| {
        let numbered = contents.iter().enumerate();
        let objects: Vec<_> = numbered.map(|(at, it)| stored(&call, at, it)).collect();
        for form in forms() {
            let text = runtime.block_on(streamed(&call, form, &objects, &metadata));
            prop_assert_eq!(text, whole(&call, form, &objects, &metadata), "{:?}", form);
        }
        prop_assert_eq!(held.load(Ordering::Relaxed), 0, "all of it was taken");
        Ok(())
    });
    result.unwrap();
}

/// Fails if a list is made before it is taken.
#[tokio::test]
async fn a_list_of_any_size_is_made_as_it_is_taken_whatever_its_form() {
    const OBJECTS: usize = 4000;
    let (call, held) = call().await;
    let content = json!({"k": "x".repeat(1000)});
    let objects: Vec<_> = (0..OBJECTS).map(|number| stored(&call, number, &content)).collect();
    let metadata = json!({"resourceVersion": "12"});
    for form in forms() {
        let mut body = answer(&call, form, objects.clone(), &metadata).unwrap().into_body();
        let (mut taken, mut steps) = (0, Vec::new());
        loop {
            let waiting = held.load(Ordering::Relaxed);
            assert!(waiting <= 3 * PIECE_BYTES, "{waiting} bytes wait: {form:?}");
            let made = objects.iter().filter(|object| Arc::strong_count(object) == 1).count();
            steps.push((made, taken));
            let Some(frame) = body.frame().await else { break };
            taken += frame.unwrap().into_data().unwrap().len();
        }
        assert!(steps.len() > 2, "{form:?} is a list of one piece and shows nothing");
        for (made, before) in steps {
            let ahead = (made * taken / OBJECTS).saturating_sub(before);
            assert!(ahead <= 4 * PIECE_BYTES, "{ahead} bytes are made ahead: {form:?}");
        }
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn a_long_object_is_not_copied() {
    let (call, held) = call().await;
    let objects = vec![stored(&call, 0, &json!({"k": "x".repeat(2 << 20)}))];
    let metadata = json!({"resourceVersion": "12"});
    for shape in [Shape::Object, Shape::Table(Include::Object)] {
        let form = Form { format: Format::Json, shape };
        let mut body = answer(&call, form, objects.clone(), &metadata).unwrap().into_body();
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
        }
        assert!(frames.iter().map(bytes::Bytes::len).sum::<usize>() > 2 << 20);
        assert_eq!(held.load(Ordering::Relaxed), 0, "all frames are held, and nothing was made");
    }
}

/// An object that cannot be shown: a failure if it is at the start, and an aborted body if a part is sent already.
#[tokio::test]
async fn what_cannot_be_shown_never_makes_a_shorter_list() {
    let (call, _) = call().await;
    let broken = |number: usize| {
        let key = Key::new(&["core", "configmaps", "ns", &format!("b{number}")]).unwrap();
        let draft = store::Draft {
            before: b"{\"metadata\":{\"resourceVersion\":\"".to_vec(),
            after: b"\"".to_vec(),
            index: store::Index::default(),
        };
        Arc::new(Object::new(key, Revision(3), draft))
    };
    let form = Form { format: Format::Json, shape: Shape::Table(Include::Metadata) };
    let metadata = json!({"resourceVersion": "12"});
    let refused = answer(&call, form, vec![broken(0)], &metadata).err().unwrap();
    assert_eq!(refused.code, 500);
    let mut objects: Vec<_> =
        (0..2000).map(|number| stored(&call, number, &json!({"k": "v"}))).collect();
    objects.push(broken(1));
    let body = answer(&call, form, objects, &metadata).unwrap().into_body();
    body.collect().await.expect_err("the body is aborted");
}

/// Fails if answers that wait for their readers are not bounded together.
#[tokio::test]
async fn with_too_much_waiting_a_list_is_refused_or_cut_and_both_end() {
    let (call, held) = call().await;
    let content = json!({"k": "x".repeat(5000)});
    let objects: Vec<_> = (0..1000).map(|number| stored(&call, number, &content)).collect();
    let metadata = json!({"resourceVersion": "12"});
    let form = Form { format: Format::PrettyJson, shape: Shape::Object };
    let mut open = answer(&call, form, objects.clone(), &metadata).unwrap().into_body();
    open.frame().await.unwrap().unwrap();
    held.fetch_add(Limits::default().answer_bytes_max, Ordering::Relaxed);
    assert_eq!(crate::read::list(&call).await.err().unwrap().code, 429);
    open.collect().await.expect_err("the body is aborted");
    held.fetch_sub(Limits::default().answer_bytes_max, Ordering::Relaxed);
    assert_eq!(held.load(Ordering::Relaxed), 0);
}
