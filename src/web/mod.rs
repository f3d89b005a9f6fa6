//! x
pub mod server {
    pub fn build(
        _a: std::sync::Arc<crate::app::App>,
        _l: std::net::TcpListener,
        _t: usize,
    ) -> std::io::Result<actix_web::dev::Server> {
        Ok(actix_web::HttpServer::new(|| actix_web::App::new()).run())
    }
}
