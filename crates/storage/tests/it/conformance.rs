//! The shared suite on every back end, each area on a fresh store.

use std::sync::Arc;

use switchhook_testkit::conformance;

use crate::backends;

macro_rules! tests_on {
    ($backend:ident, $($area:ident :: $test:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let Some(place) = backends::$backend().await else { return };
            let store = place.open().await;
            conformance::$area::$test(Arc::clone(&store)).await;
            store.close().await;
            place.clean().await;
        }
    )*};
}

mod on_memory {
    use super::*;
    switchhook_testkit::for_each_area!(tests_on, memory);
}

mod on_sqlite {
    use super::*;
    switchhook_testkit::for_each_area!(tests_on, sqlite);
}

mod on_postgres {
    use super::*;
    switchhook_testkit::for_each_area!(tests_on, postgres);
}
