//! Layers around the router.
