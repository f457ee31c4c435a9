"""A Kubernetes CronJob that runs one sync a night, with state on a volume and the token from a secret."""

from __future__ import annotations

import json
import os

from engine.commands.service.facts import PERSON_CODES, RESTART_CODES, Facts, codes

_MANIFEST = """\
# {name}.yaml: one sync of the portfolio every night, as a CronJob (Kubernetes 1.27 or newer).
#
# The image, built in a checkout of the engine from this Dockerfile:
#
#   FROM python:3.11-slim
#   COPY . /src
#   RUN pip install --no-cache-dir /src && useradd --uid 10001 --no-create-home engine
#   USER 10001:10001
#   ENTRYPOINT ["python", "-m", "engine"]
#
#   docker build -t {name}:1 . && docker push {name}:1     # with the name of your registry; put it below, too
#
# Once:
#   kubectl create configmap {name}-config --from-file=config.toml={config}
#   kubectl create secret generic {name}-token --from-file=token=/dev/stdin    # paste the token, then Ctrl-D
#   kubectl apply -f {name}.yaml
# The files to read are expected on the claim "{name}-exports", which whatever makes them fills.
# Now, instead of at night:  kubectl create job --from=cronjob/{name} {name}-by-hand
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {name}-state
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 5Gi
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {name}
spec:
  schedule: {schedule}
  timeZone: {time_zone}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 7
  jobTemplate:
    spec:
      # An unfinished run is started again (with growing pauses) and resumes; how often at the most:
      backoffLimit: 20
{active_deadline}\
      podFailurePolicy:
        rules:
          # Starting again would end the same way: a person looks first.
          - action: FailJob
            onExitCodes:
              containerName: sync
              operator: In
              values: [{person_codes}]
          # The node was drained or the pod preempted: that is not the run's fault.
          - action: Ignore
            onPodConditions:
              - type: DisruptionTarget
          # 75: not finished; again, to resume. A crash or a kill is counted the same way.
          - action: Count
            onExitCodes:
              containerName: sync
              operator: In
              values: [{restart_codes}]
      template:
        spec:
          restartPolicy: Never
          # A stop lets requests in flight finish ({drain_s} s) and writes the report.
          terminationGracePeriodSeconds: {stop_s}
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile:
              type: RuntimeDefault
          containers:
            - name: sync
              image: {name}:1
              args: [sync, -c, /etc/{name}/config.toml]
              env:
                - name: TZ
                  value: {time_zone}
                - name: ENGINE_API__TOKEN_FILE
                  value: /run/secrets/{name}/token
                - name: ENGINE_STATE__DIR
                  value: /state/engine-state
                - name: ENGINE_SOURCE__PATH
                  value: {sources}
              resources:
                requests:
                  cpu: "1"
                  memory: 512Mi
                limits:
                  memory: 1Gi
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities:
                  drop: [ALL]
              volumeMounts:
                - name: config
                  mountPath: /etc/{name}
                  readOnly: true
                - name: token
                  mountPath: /run/secrets/{name}
                  readOnly: true
                - name: exports
                  mountPath: /data
                  readOnly: true
                - name: state
                  mountPath: /state
          volumes:
            - name: config
              configMap:
                name: {name}-config
            - name: token
              secret:
                secretName: {name}-token
                defaultMode: 0440
            - name: exports
              persistentVolumeClaim:
                claimName: {name}-exports
                readOnly: true
            - name: state
              persistentVolumeClaim:
                claimName: {name}-state
"""

_ACTIVE_DEADLINE = """\
      # upload.deadline: restarted after it, a run would have a whole day until the next. The run itself stops first.
      activeDeadlineSeconds: {seconds}
"""


def render(facts: Facts) -> dict[str, str]:
    """Return {file name: content}."""
    window_s = facts.window_s
    manifest = _MANIFEST.format(
        name=facts.name,
        config=facts.config,
        schedule=json.dumps(f"{facts.start_at.minute} {facts.start_at.hour} * * *"),
        time_zone=json.dumps(facts.time_zone),
        active_deadline=_ACTIVE_DEADLINE.format(seconds=window_s + facts.stop_s) if window_s else "",
        person_codes=codes(PERSON_CODES, ", "),
        restart_codes=codes(RESTART_CODES, ", "),
        drain_s=round(facts.drain_timeout_s),
        stop_s=facts.stop_s,
        sources=json.dumps(json.dumps([_mounted(path) for path in facts.sources])),
    )
    return {f"{facts.name}.yaml": manifest}


def _mounted(source: str) -> str:
    """Return where a source stands in the container: its name or pattern, beneath the mounted exports."""
    return f"/data/{os.path.basename(source)}"
