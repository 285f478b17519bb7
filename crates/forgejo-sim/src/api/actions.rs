use super::route::Route;
pub(crate) const ROUTES: &[Route] = &[];
