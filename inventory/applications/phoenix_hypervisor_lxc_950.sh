#!/bin/sh
# The application of container 950, run inside it after all features. Its exit code is obeyed; run again, it must do no harm.
set -eu
systemctl enable --now vllm.service
