mod asked;
mod decode;
mod records;
mod subscribed;
mod verify;
mod world;
