#!/bin/bash
# Pre-train one recipe with Slurm on two machines of four GPUs, for as long as it takes:
#
#     sbatch configs/slurm/pretrain.sh configs/paper/mgca.yaml
#
# What follows the script goes to `cxrtutor pretrain`, options too. Submit it from the root of the checkout. When the
# time of a job is nearly up, or the cluster wants its machines back, the run is saved and the job queued again.

#SBATCH --job-name=cxrtutor
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4        # a process for each GPU; Slurm starts them, and tells each which it is
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8          # for compute.workers of the recipe, and the process itself
#SBATCH --mem=200G                 # of each machine; `cxrtutor plan` says what a GPU needs
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@300          # 300 s before the time is up: save after the step that is under way, and end
#SBATCH --requeue
#SBATCH --open-mode=append         # a job that was queued again writes on in the same file
#SBATCH --output=slurm-%j.out

set -u

# The folder of sets, features and runs must be one that all machines see, and large enough.
export CXRTUTOR_HOME="${CXRTUTOR_HOME:-$PWD/cache}"
# The loader's processes are many: each keeps to one thread.
export OMP_NUM_THREADS=1

# A signal that reaches this shell too must not end it: it has the job to queue again.
trap : TERM USR1

srun --kill-on-bad-exit=1 "${PYTHON:-.venv/bin/python}" -m cxrtutor pretrain "$@"
status=$?

# 143: stopped in good order. Anything else is an end, good or bad, and running it again would not change it.
if [ "$status" -eq 143 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
