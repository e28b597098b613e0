package main

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The metrics that the collector exports.
const (
	waitingGauge        = "pbsm_workflows_waiting"
	temporalUpGauge     = "pbsm_temporal_up"
	lastSuccessGauge    = "pbsm_close_last_success_timestamp"
	nightsMissedCounter = "pbsm_schedule_nights_missed"
	schedulePausedGauge = "pbsm_schedule_paused"
	lastNightGauge      = "pbsm_schedule_last_night_timestamp"
	nightBegunGauge     = "pbsm_schedule_last_night_begun"
	nightClosedGauge    = "pbsm_schedule_last_night_closed"
	loginRefusedGauge   = "pbsm_login_refused"
	storeUpGauge        = "pbsm_store_up"
)

// export makes the meter observe the findings whenever it is read.
func (c *collector) export(meter metric.Meter) error {
	in := instruments{meter: meter}
	var (
		up      = in.gauge(temporalUpGauge)
		refused = in.gauge(loginRefusedGauge)
		store   = in.gauge(storeUpGauge)
		waiting = in.gauge(waitingGauge)
		success = in.timestamp(lastSuccessGauge)
		paused  = in.gauge(schedulePausedGauge)
		missed  = in.counter(nightsMissedCounter)
		night   = in.timestamp(lastNightGauge)
		begun   = in.gauge(nightBegunGauge)
		closed  = in.gauge(nightClosedGauge)
	)
	if err := errors.Join(in.errs...); err != nil {
		return err
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		o.ObserveInt64(up, number(c.up))
		for connection, is := range c.refused() {
			o.ObserveInt64(refused, number(is), metric.WithAttributes(attribute.String("connection", connection)))
		}
		for name, problem := range c.storeErrors {
			o.ObserveInt64(store, number(problem == nil), metric.WithAttributes(attribute.String("store", name)))
		}
		if time.Since(c.last.at) > 3*c.interval+collectTimeout {
			return nil
		}
		for key, count := range c.last.waiting {
			o.ObserveInt64(waiting, count, key.attributes())
		}
		for key, at := range c.last.successes {
			o.ObserveFloat64(success, seconds(at), key.attributes())
		}
		for key, s := range c.last.schedules {
			o.ObserveInt64(paused, number(s.paused), key.attributes())
			o.ObserveInt64(missed, int64(s.tooLate), key.attributes(attribute.String("reason", "catch_up_window")))
			o.ObserveInt64(missed, int64(s.overlapped), key.attributes(attribute.String("reason", "overlap")))
			if s.lastNight != nil {
				o.ObserveFloat64(night, seconds(s.lastNight.Start), key.attributes())
				o.ObserveInt64(begun, number(s.begun), key.attributes())
				o.ObserveInt64(closed, number(s.closed), key.attributes())
			}
		}
		return nil
	}, in.all...)
	return err
}

// instruments makes the instruments of a meter and collects them, and their errors.
type instruments struct {
	meter metric.Meter
	all   []metric.Observable
	errs  []error
}

func (in *instruments) gauge(name string) metric.Int64ObservableGauge {
	made, err := in.meter.Int64ObservableGauge(name)
	return add(in, made, err)
}

func (in *instruments) timestamp(name string) metric.Float64ObservableGauge {
	made, err := in.meter.Float64ObservableGauge(name, metric.WithUnit("s"))
	return add(in, made, err)
}

func (in *instruments) counter(name string) metric.Int64ObservableCounter {
	made, err := in.meter.Int64ObservableCounter(name)
	return add(in, made, err)
}

func add[T metric.Observable](in *instruments, made T, err error) T {
	in.all, in.errs = append(in.all, made), append(in.errs, err)
	return made
}

func (k waitingKey) attributes() metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("connection", k.connection),
		attribute.String("workflow_type", k.workflowType),
		attribute.String("question", k.question),
	)
}

func (k pipelineKey) attributes(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more,
		attribute.String("connection", k.connection),
		attribute.String("pipeline", k.pipeline),
	)...)
}

// seconds is the number of seconds since 1970, as Prometheus represents timestamps.
func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
