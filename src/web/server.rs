//! Starts the HTTP server on a listener that is already bound.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpServer, guard};

use super::call::Surface;
use super::pipeline;
use super::routes::{Route, table};
use crate::app::App;

/// Builds the server. It runs until it is told to stop; `workers` is the number of threads that take requests.
///
/// # Errors
/// When the listener cannot be used.
pub fn build(app: Arc<App>, listener: TcpListener, workers: usize) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let app = Arc::clone(&app);
        actix_web::App::new().configure(move |config| configure(config, &app))
    })
    .workers(workers)
    .disable_signals()
    .shutdown_timeout(5)
    .client_request_timeout(std::time::Duration::from_secs(15))
    .listen(listener)?;
    Ok(server.run())
}

/// Hangs every route of the table into actix: one resource a path, in the table's order.
fn configure(config: &mut web::ServiceConfig, app: &Arc<App>) {
    let mut paths: Vec<&'static str> = Vec::new();
    for route in table() {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    for path in paths {
        let on_path: Vec<&'static Route> = table().filter(|r| r.path == path).collect();
        let mut resource = web::resource(path);
        // Another path covers it too: a job can be called `…/runs`. So it takes its own methods only.
        if path.contains(":.+}/") {
            let methods: Vec<Method> = on_path.iter().flat_map(|r| r.methods()).collect();
            resource = resource.guard(guard::fn_guard(move |context| methods.contains(&context.head().method)));
        }
        for route in &on_path {
            let route: &'static Route = route;
            for method in route.methods() {
                let app = Arc::clone(app);
                resource = resource.route(web::method(method).to(move |request: HttpRequest, payload: Payload| {
                    pipeline::run(route, request, payload, Arc::clone(&app))
                }));
            }
        }
        let allowed = on_path.iter().map(|r| r.method).collect::<Vec<_>>().join(", ");
        let surface = on_path.first().map_or(Surface::Page, |r| r.surface);
        config.service(resource.default_service(web::to(move || {
            let answer = pipeline::method_not_allowed(surface, &allowed);
            async move { answer }
        })));
    }
    let app = Arc::clone(app);
    config.default_service(web::to(move |request: HttpRequest, payload: Payload| {
        pipeline::run(super::routes::nowhere(&request), request, payload, Arc::clone(&app))
    }));
}
