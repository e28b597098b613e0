package stores

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// openS3 contacts nobody. Services that are compatible with S3 rather than S3, Oracle's among
// them, refuse the checksums that newer SDKs add unasked; they are sent where S3 requires them.
func openS3(ctx context.Context, u *url.URL, p Settings) (opened, error) {
	q := u.Query()
	options := []func(*config.LoadOptions) error{
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithRegion(q.Get("region")),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(withIdleTimeout)),
	}
	if profile := q.Get("profile"); profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if p.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(p.AccessKey, p.SecretKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return opened{}, err
	}
	if cfg.Region == "" {
		return opened{}, errors.New("the region is missing; write s3://bucket?region=us-ashburn-1, or set AWS_REGION")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if endpoint := q.Get("endpoint"); endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		o.UsePathStyle = q.Get("endpoint") != "" && q.Get("path_style") != "false" || q.Get("path_style") == "true"
	})
	bucket, err := s3blob.OpenBucket(ctx, client, u.Host, &s3blob.Options{RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired})
	if err != nil {
		return opened{}, err
	}
	prefix := strings.Trim(q.Get("prefix"), "/")
	if prefix != "" {
		prefix += "/"
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	at := s3Bucket{client, u.Host, prefix}
	return opened{bucket, at.parts, at.writer}, nil
}
