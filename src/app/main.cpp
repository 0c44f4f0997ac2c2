#include "klen/webhooks/app/application.hpp"

int main(int argc, char** argv) { return klen::webhooks::app::run(argc, argv); }
