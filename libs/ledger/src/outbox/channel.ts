/** The channel on which PostgreSQL tells of rows that were inserted into the outbox. */
export const OUTBOX_CHANNEL = "muster_task_outbox";
