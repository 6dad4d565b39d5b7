/**
 * What every app shares: settings, log, metrics, health and the end. Knows neither NATS nor SQL; an app adds those.
 *
 * @module @muster/service
 */
export { type Health, type HealthOptions, startHealth } from "./health/health.ts";
export type { HealthThread, ThreadPart } from "./health/shared_thread.ts";
export { ListenError } from "./health/listen_error.ts";
export type { Ask } from "./health/probe.ts";
export { escapeControls, escapeControlsInLines } from "./logging/escape.ts";
export { createLog, type Log, type LogOptions } from "./logging/log.ts";
export { sparingly, type SparingLevel, type SparingLog } from "./logging/sparingly.ts";
export type { Metric } from "./metrics/exposition.ts";
export type { Family } from "./metrics/family.ts";
export { type Counter, createMeters, type Gauge, type Histogram, type Meters } from "./metrics/meters.ts";
export type { Reading, ReadValue } from "./metrics/reading.ts";
export {
  type ObservedLine,
  type ObservedLocks,
  type ObservedOccurrence,
  type ObservedStep,
  observeTasks,
  type TaskObserver,
} from "./metrics/task_observer.ts";
export { type KnownVos, knownVos } from "./metrics/known_vos.ts";
export { type App, type AppOptions, type Preparation, runApp, runPreparedApp } from "./run_app.ts";
export type { NatsSettings } from "./settings/nats_settings.ts";
export { InvalidSettingsError, readSettings } from "./settings/read_settings.ts";
export type { SettingProblem } from "./settings/setting_problem.ts";
export {
  announceRunning,
  DATA_DIR,
  findRunning,
  readRunning,
  type Running,
  withdrawRunning,
} from "./settings/running.ts";
export {
  locateDataFolder,
  locateNats,
  locateServer,
  locateServers,
  type Nats,
  type Servers,
  type ServersInput,
  ServersUnknownError,
} from "./settings/servers.ts";
export { redactUrls } from "./settings/redact.ts";
export { LOG_LEVELS, type LogLevel, type Settings } from "./settings/settings.ts";
export { listenForStop, type Stop, StopDemand, type StopOptions } from "./shutdown/stop.ts";
export { startTraces, type Traces, type TracesOptions } from "./traces/start_traces.ts";
export { insist, type Insistence } from "./start/insist.ts";
